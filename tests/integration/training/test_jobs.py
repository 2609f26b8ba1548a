"""Whole jobs on tiny models: what comes out of them, and what stops them before they begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.base_model import load_base_model
from shared.errors import BaseModelError, DataError, InvalidInputError, TrainingError
from shared.model_files import load_model
from shared.store.artifacts import ArtifactReader
from tests.integration.training.conftest import LABELS, Bench
from tests.tiny_model import Architecture, make_tiny_base, make_tiny_encoder
from tests.tiny_rows import make_rows, write_csv
from worker.data.rows import Rows
from worker.training.job import run_job
from worker.training.protocol import Progress


def test_job_on_rows_that_can_be_learned_beats_the_majority(shared_bench: Bench) -> None:
    """The whole chain learns: a mix-up of rows and labels anywhere would leave it at chance."""
    result = shared_bench.train(layerwise_lr={"base_lr": 2e-3}, optimizer={"head_lr": 2e-2, "epochs": 12})
    for name in LABELS:
        metrics = result.metrics[name]
        assert metrics["model"]["macro_f1"] > metrics["majority"]["macro_f1"] + 0.3


@pytest.mark.parametrize("policy", ["backbone", "all"])
def test_job_with_a_frozen_encoder_keeps_its_embeddings(shared_bench: Bench, policy: str) -> None:
    """Embed gives the same vectors before and after, so stored ones stay comparable: the encoder id says so."""
    encoder_ids = set()
    for seed in (1, 2):
        result = shared_bench.train(freeze={"policy": policy}, optimizer={"seed": seed}, baselines=False)
        artifact = ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256)
        encoder_ids.add(artifact.manifest.encoder_id)
        assert ("encoding" in result.report["seconds"]) == (policy == "backbone")
        assert result.report["trainable_parameters"] == (165 if policy == "backbone" else 0)
        assert result.metrics["mood"].keys() == {"model"}
    assert len(encoder_ids) == 1


@pytest.mark.parametrize(("architecture", "layers"), [("bert", 12), ("distilbert", 2), ("roberta", 2), ("mpnet", 2)])
def test_job_on_any_encoder_trains_all_its_layers(
    shared_bench: Bench, tmp_path: Path, architecture: Architecture, layers: int
) -> None:
    """Any Hugging Face encoder, also a deeper one and ones whose parameters have other names."""
    base = make_tiny_base(tmp_path / architecture, layers, architecture=architecture)
    result = shared_bench.with_base(base).train(baselines=False)
    groups = {row["group"] for row in result.report["learning_rates"]}
    assert groups == {"embeddings", *(f"layer.{n}" for n in range(layers)), "head.mood", "head.topic"}
    load_model(ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256))


def test_job_with_balanced_sampling_reports_the_rows_as_they_are(shared_bench: Bench) -> None:
    """Sampling changes what an epoch draws, not what the data are."""
    told: list[Progress] = []
    result = shared_bench.train(told, sampling={"within": "class_balanced"}, baselines=False)
    assert result.report["data"]["mood"]["rows"].keys() == {"train", "validation", "test"}
    assert [event for event in told if event.stage == "training"][-1].epoch == 1.0


def _unknown_label(root: Path) -> None:
    rows = make_rows(150, 3)
    rows.label_ids[7] = 3
    write_csv(root / "topic.csv", rows, (*LABELS["topic"], "sideways"))


def _single_class(root: Path) -> None:
    write_csv(root / "topic.csv", Rows(make_rows(150).texts, np.zeros(150, dtype=np.int64)), LABELS["topic"])


BREAKAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "missing file": (lambda root: (root / "topic.csv").unlink(), ["topic.csv"]),
    "empty file": (lambda root: (root / "topic.csv").write_bytes(b""), ["topic.csv"]),
    "binary file": (lambda root: (root / "topic.csv").write_bytes(bytes(range(256)) * 20), ["topic.csv"]),
    "unknown column": (lambda root: (root / "topic.csv").write_text("words,label\nx,a\n"), ["topic.csv", "text"]),
    "unknown label": (_unknown_label, ["topic.csv", "row 9", "sideways"]),
    "single class": (_single_class, ["topic.csv"]),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_job_with_bad_data_of_the_last_task_fails_before_any_training(bench: Bench, breakage: str) -> None:
    """An hour of training must not end in a typo in the second file."""
    break_it, expected = BREAKAGES[breakage]
    break_it(bench.root)
    told: list[Progress] = []
    with pytest.raises(DataError) as error:
        bench.train(told)
    assert [part for part in expected if part not in error.value.message] == []
    assert {event.stage for event in told} == {"reading data"}
    assert bench.artifact_ids() == []


@pytest.mark.parametrize("path", ["../secret.csv", "{outside}/secret.csv"])
def test_job_with_a_path_out_of_the_data_roots_fails(bench: Bench, path: str) -> None:
    """A job spec comes from a client, who must not read the worker's files."""
    outside = bench.root.parent
    write_csv(outside / "secret.csv", make_rows(50), LABELS["mood"])
    data = {"train": path.format(outside=outside)}
    with pytest.raises(DataError, match=r"secret\.csv"):
        bench.train(tasks=[{"name": "mood", "labels": LABELS["mood"], "data": data}])


def test_job_with_a_loss_that_is_not_finite_saves_nothing(bench: Bench, tmp_path: Path) -> None:
    """A model of NaN must not reach the store."""
    base = make_tiny_base(tmp_path / "poisoned")
    encoder = make_tiny_encoder()
    with torch.no_grad():
        next(encoder.parameters()).fill_(float("nan"))
    encoder.save_pretrained(base)
    with pytest.raises(TrainingError, match="the loss is nan in step 1"):
        bench.with_base(base).train()
    assert bench.artifact_ids() == []


def test_job_on_a_base_model_that_is_not_there_fails(shared_bench: Bench) -> None:
    """The message says what was tried."""
    with pytest.raises(BaseModelError, match="/no/such/folder"):
        run_job(shared_bench.submit().model_copy(update={"base_model": "/no/such/folder"}), lambda event: None)


def test_job_with_a_window_beyond_the_models_fails(shared_bench: Bench) -> None:
    """Cut in silence, the rows would be others than the spec says."""
    with pytest.raises(InvalidInputError, match="max_tokens: 500 is more than the 66 tokens"):
        shared_bench.train(max_tokens=500)


def test_job_with_lora_publishes_merged_weights_and_its_share(shared_bench: Bench) -> None:
    """What is served is a plain encoder: no adapters, no further dependency, only the attention's weights moved."""
    result = shared_bench.train(
        lora={"rank": 2, "alpha": 4.0}, layerwise_lr={"base_lr": 1e-2}, optimizer={"epochs": 2}, baselines=False
    )
    report = result.report["lora"]
    assert report["adapters"] == 8
    assert report["parameters"] + 165 == result.report["trainable_parameters"]
    assert 0 < report["trainable_share"] < 0.2
    assert report["merge_difference"] <= 1e-5
    trained = load_model(ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256)).model
    base = load_base_model(str(shared_bench.base)).encoder.state_dict()
    moved = {name for name, tensor in trained.encoder.state_dict().items() if not torch.equal(tensor, base[name])}
    assert len(moved) == 8
    assert all("attention" in name and name.endswith("weight") for name in moved)


def test_job_with_lora_targets_of_another_architecture_fails_before_training(shared_bench: Bench) -> None:
    """The names there are stand in the job's error."""
    told: list[Progress] = []
    with pytest.raises(InvalidInputError, match=r"lora.targets\[0\]: 'q_lin' matches no .*attention.self.query"):
        shared_bench.train(told, lora={"targets": ["q_lin"]})
    assert "training" not in {event.stage for event in told}
