"""Early stopping and divergence in whole jobs."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import DivergedError
from shared.model_files import ENCODER_FILE, HEADS_FILE
from shared.store.artifacts import ArtifactReader
from tests.integration.training.conftest import Bench
from worker.training.protocol import Progress, Result

OPTIMIZER = {"epochs": 4, "rows_per_batch": 16, "precision": "float32"}


def weights(bench: Bench, result: Result) -> list[bytes]:
    artifact = ArtifactReader(bench.store, result.artifact_id, result.manifest_sha256)
    return [artifact.read(name) for name in (ENCODER_FILE, HEADS_FILE)]


def test_job_with_early_stopping_ends_with_its_best_weights(shared_bench: Bench) -> None:
    """What is published is what was best: its validation figures say so, and those of the last step were worse."""
    told: list[Progress] = []
    stopping: dict[str, Any] = {
        "every": "steps", "steps": 2, "patience": 2, "min_delta": 10.0,
        "metrics": [{"task": "mood", "metric": "cross_entropy"}],
    }  # fmt: skip
    result = shared_bench.train(told, stopping=stopping, optimizer=OPTIMIZER, baselines=False)
    report = result.report["stopping"]
    # Nothing is better by ten, so the first validation stays the best, and two more are borne.
    assert (report["best_step"], report["last_step"], report["stopped_early"], report["restored"]) == (2, 6, True, True)
    curve = result.report["history"]["validation"]
    assert [point["step"] for point in curve] == [2, 4, 6]
    assert result.report["history"]["step"][-1] == 6
    assert curve[0]["value"] == pytest.approx(-curve[0]["figures"]["mood"]["cross_entropy"], abs=1e-6)
    assert result.report["validation"]["mood"]["accuracy"] == pytest.approx(
        curve[0]["figures"]["mood"]["accuracy"], abs=1e-6
    )
    assert [event for event in told if event.stage == "training"][-1].best_step == 2


def test_job_that_loses_patience_in_its_last_step_has_not_stopped_early(shared_bench: Bench) -> None:
    """It had all the steps that were planned."""
    stopping = {"every": "epoch", "patience": 2, "min_delta": 10.0}
    optimizer = {**OPTIMIZER, "epochs": 3}
    result = shared_bench.train(stopping=stopping, optimizer=optimizer, baselines=False)
    report = result.report["stopping"]
    assert (report["last_step"], report["stopped_early"]) == (result.report["steps"], False)


def test_job_that_validates_trains_to_the_same_bits_as_one_that_does_not(shared_bench: Bench) -> None:
    """Looking must not change what is looked at: dropout, sampling and train mode are as if nobody had."""
    looking = {"every": "steps", "steps": 3, "patience": 0, "restore_best": False}
    results = [
        shared_bench.train(optimizer={**OPTIMIZER, "epochs": 1}, baselines=False, **fields)
        for fields in ({}, {"stopping": looking})
    ]
    assert weights(shared_bench, results[0]) == weights(shared_bench, results[1])


def test_job_with_another_seed_is_another_model(shared_bench: Bench) -> None:
    """The counterpart of equal bits with equal seeds: the seed does reach heads, order and dropout."""
    results = [
        shared_bench.train(optimizer={**OPTIMIZER, "epochs": 1, "seed": seed}, baselines=False) for seed in (1, 1, 2)
    ]
    first, again, other = (weights(shared_bench, result) for result in results)
    assert first == again
    assert first != other


def test_job_with_an_absurd_rate_diverges_and_saves_nothing(bench: Bench) -> None:
    """A model that unlearned everything must not be published; the message names step, task, rate and what to do."""
    absurd = {**OPTIMIZER, "epochs": 10, "head_lr": 1.0, "clip": 0.0, "warmup": 0.5, "max_loss_ratio": 2.0}
    with pytest.raises(DivergedError, match=r"in step \d+.*task (mood|topic).*rate is .*; lower optimizer.head_lr"):
        bench.train(optimizer=absurd, layerwise_lr={"base_lr": 1.0, "decay": 1.0}, baselines=False)
    assert bench.artifact_ids() == []
