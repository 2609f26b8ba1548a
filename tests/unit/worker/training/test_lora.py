"""LoRA: the base weights stay as they are, the adapters are trained, and merging changes no answer."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shared.base_model import load_base_model
from shared.errors import InvalidInputError, TrainingError
from shared.model import MultiTaskModel
from shared.model_files import build_model
from shared.spec import FreezeSpec, JobSpec, LayerwiseSpec, LoraSpec, OptimizerSpec
from tests.tiny_model import Architecture, make_tiny_base
from tests.tiny_rows import TASKS, make_corpus, make_rows
from worker.training.corpus import Corpus
from worker.training.freezing import apply_freezing
from worker.training.loop import TrainingLoop
from worker.training.lora import TOLERANCE, Adapters, add_adapters
from worker.training.precision import Compute
from worker.training.rates import rate_groups
from worker.training.vectors import encode_batch

CPU = Compute(torch.device("cpu"), "float32")
ARCHITECTURES: tuple[Architecture, ...] = ("bert", "roberta", "distilbert", "mpnet")


def _spec(lora: LoraSpec, **fields: object) -> JobSpec:
    tasks = [{"name": t.name, "labels": t.labels, "data": {"train": "x.csv"}} for t in TASKS]
    body = {"tasks": tasks, "lora": lora, "optimizer": OptimizerSpec(epochs=1, head_lr=1e-2), **fields}
    return JobSpec.model_validate({"layerwise_lr": LayerwiseSpec(base_lr=1e-2), **body})


def _model(base: Path, freeze: FreezeSpec | None = None) -> MultiTaskModel:
    torch.manual_seed(0)
    model = build_model(load_base_model(str(base)), TASKS)
    apply_freezing(model, freeze or FreezeSpec())
    return model


def _hashes(model: MultiTaskModel) -> dict[str, str]:
    """A hash of every weight of the encoder but the adapters', by the name it has without adapters."""
    return {
        name.replace(".base_layer.", "."): hashlib.sha256(parameter.detach().numpy().tobytes()).hexdigest()
        for name, parameter in model.encoder.named_parameters()
        if ".lora_" not in name
    }


def _train(model: MultiTaskModel, corpus: Corpus, spec: JobSpec) -> None:
    loop = TrainingLoop(model, corpus, rate_groups(model, spec), spec, CPU)
    loop.run(lambda stage: lambda batch: encode_batch(model, corpus, CPU, batch), lambda done: None)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Architecture], Path]:
    folder = tmp_path_factory.mktemp("bases")
    return lambda architecture: make_tiny_base(folder / architecture, architecture=architecture)


@pytest.mark.parametrize("targets", ["attention", "all_linear"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_lora_training_keeps_the_base_weights_and_merges_without_a_change(
    bases: Callable[[Architecture], Path], architecture: Architecture, targets: str
) -> None:
    """The three promises at once, on every shape of encoder: frozen bits, trained adapters, equal logits."""
    base = bases(architecture)
    spec = _spec(LoraSpec(rank=2, targets=(targets,)))
    model = _model(base)
    plain = [name for name, _ in model.encoder.named_parameters()]
    before = _hashes(model)
    assert spec.lora is not None
    adapters = add_adapters(model, spec.lora)
    assert len(adapters.modules) == {"attention": 8, "all_linear": 12}[targets]
    corpus = make_corpus(base, [make_rows(60, len(task.labels), seed=1) for task in TASKS])
    _train(model, corpus, spec)
    assert _hashes(model) == before
    trained = [p for name, p in model.encoder.named_parameters() if ".lora_B." in name]
    assert all(parameter.abs().max() > 0 for parameter in trained)
    assert adapters.merge(model, corpus, CPU) <= TOLERANCE
    assert [name for name, _ in model.encoder.named_parameters()] == plain
    after = _hashes(model)
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {f"{name}.weight" for name in adapters.modules}


def test_lora_adapters_have_the_rates_of_their_layers(tiny_model: MultiTaskModel) -> None:
    """Layer-wise decay means the adapters, since nothing else of the encoder is trained."""
    spec = _spec(LoraSpec(), layerwise_lr=LayerwiseSpec(anchor="top", base_lr=1e-2, decay=0.5))
    add_adapters(tiny_model, LoraSpec())
    groups = rate_groups(tiny_model, spec)
    rates = {group.name: group.lr for group in groups if not group.name.startswith("head.")}
    assert rates == {"layer.0": 5e-3, "layer.1": 1e-2}
    names = [name for group in groups for name in group.parameters if name.startswith("encoder.")]
    assert len(names) == 2 * 2 * 4
    assert all(".lora_" in name for name in names)


def test_lora_with_frozen_layers_adapts_the_others_only(tiny_base: Path) -> None:
    """Outputs of frozen layers may be cached, so nothing in them may be trained."""
    freeze = FreezeSpec(policy="layers", layers=1, heads=("mood",))
    model = _model(tiny_base, freeze)
    adapters = add_adapters(model, LoraSpec(targets=("attention", "output.dense")))
    assert {name.split(".")[2] for name in adapters.modules} == {"1"}
    assert "encoder.layer.1.output.dense" in adapters.modules
    assert not any(parameter.requires_grad for parameter in model.head("mood").parameters())
    assert adapters.num_parameters == sum(p.numel() for p in model.encoder.parameters() if p.requires_grad)


def test_lora_with_targets_that_match_nothing_names_what_there_is(tiny_model: MultiTaskModel) -> None:
    """Names differ between architectures; all mistakes at once."""
    with pytest.raises(InvalidInputError) as error:
        add_adapters(tiny_model, LoraSpec(targets=("q_lin", "query", "uery")))
    assert [violation.field for violation in error.value.violations] == ["lora.targets[0]", "lora.targets[2]"]
    assert "attention.self.query, attention.self.key" in error.value.message
    assert "'q_lin' matches no linear module" in error.value.message


def test_lora_merge_that_moves_the_logits_fails(tiny_model: MultiTaskModel, tiny_base: Path) -> None:
    """A model whose published weights are not those that were trained must not be saved."""
    adapters = add_adapters(tiny_model, LoraSpec())
    corpus = make_corpus(tiny_base, [make_rows(30, len(task.labels)) for task in TASKS])

    class LossyTuner:
        def merge_and_unload(self) -> None:
            """Stands for a merge that loses something."""
            with torch.no_grad():
                tiny_model.heads[0].bias += 0.01  # type: ignore[operator]

    lossy = Adapters(adapters.spec, adapters.modules, adapters.num_parameters, LossyTuner())
    with pytest.raises(TrainingError, match=r"moved the logits by 0\.0"):
        lossy.merge(tiny_model, corpus, CPU)


def test_training_without_lora_does_not_import_peft() -> None:
    """It takes seconds, which every trainer process would pay."""
    code = "import sys, worker.training.job; sys.exit('peft' in sys.modules or 'optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
