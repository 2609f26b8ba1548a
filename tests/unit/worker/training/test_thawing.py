"""Gradual unfreezing: when what is thawed, proven by the bits of every parameter in every stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from shared.base_model import load_base_model
from shared.model import MultiTaskModel, Task
from shared.model_files import build_model
from shared.spec import JobSpec, parse_spec
from tests.tiny_model import make_tiny_base
from tests.tiny_rows import TASKS, make_corpus, make_rows
from worker.data.loading import load_tasks
from worker.training.corpus import Corpus
from worker.training.freezing import apply_freezing
from worker.training.loop import StepDone, TrainingLoop
from worker.training.precision import Compute
from worker.training.rates import rate_groups
from worker.training.thawing import TrainingStage
from worker.training.vectors import encode_batch

ROOT = Path(__file__).parents[4]
CPU = Compute(torch.device("cpu"), "float32")
#: Names begin with these, from the top down; the tiny model has three layers.
PARTS = ("heads.", *(f"encoder.encoder.layer.{layer}." for layer in (2, 1, 0)), "encoder.embeddings.")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base"), layers=3)


@pytest.fixture(scope="module")
def corpus(base: Path) -> Corpus:
    return make_corpus(base, [make_rows(60), make_rows(60, 3)])


def _spec(gradual: dict[str, Any], heads: tuple[str, ...] = (), **optimizer: Any) -> JobSpec:
    """120 rows in batches of 20: 6 steps an epoch."""
    return parse_spec(
        {
            "tasks": [{"name": t.name, "labels": t.labels, "data": {"train": "x.csv"}} for t in TASKS],
            "freeze": {"policy": "gradual", "heads": heads, "gradual": gradual},
            "layerwise_lr": {"base_lr": 1e-2},
            "optimizer": {"head_lr": 1e-2, "rows_per_batch": 20, "tokens_per_batch": 100_000, **optimizer},
        }
    )


class _Run:
    """A training that keeps the weights as they were at the start of each stage and at the end."""

    def __init__(self, base: Path, corpus: Corpus, spec: JobSpec, first_step: int = 0) -> None:
        torch.manual_seed(0)
        self.model: MultiTaskModel = build_model(load_base_model(str(base)), TASKS)
        apply_freezing(self.model, spec.freeze)
        self.loop = TrainingLoop(self.model, corpus, rate_groups(self.model, spec), spec, CPU)
        self.stages: list[TrainingStage] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        self.told: list[StepDone] = []
        self._corpus = corpus
        self.loop.run(self._enter, self.told.append, first_step)
        self.weights.append(self._copy())

    def _enter(self, stage: TrainingStage) -> Any:
        self.stages.append(stage)
        self.weights.append(self._copy())
        return lambda batch: encode_batch(self.model, self._corpus, CPU, batch)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def changed_in(self, stage: int) -> set[str]:
        before, after = self.weights[stage : stage + 2]
        return {name for name in before if not torch.equal(before[name], after[name])}


def _named(run: _Run, parts: tuple[str, ...]) -> set[str]:
    return {name for name in run.weights[0] if name.startswith(parts)}


@pytest.mark.parametrize("gradual", [{}, {"by": "step", "every": 6}, {"by": "epoch", "every": 1, "warmup": 0.5}])
def test_gradual_unfreezing_trains_one_more_part_in_each_stage_and_leaves_the_others_bit_identical(
    base: Path, corpus: Corpus, gradual: dict[str, Any]
) -> None:
    """The promise, stage by stage: frozen means the same bits, weight decay included; thawed means trained."""
    run = _Run(base, corpus, _spec(gradual, epochs=6))
    assert [(stage.first, stage.lowest) for stage in run.stages] == [(0, 4), (6, 3), (12, 2), (18, 1), (24, 0)]
    for stage in range(5):
        assert run.changed_in(stage) == _named(run, PARTS[: stage + 1])


def test_peak_rates_are_the_highest_that_were_applied(base: Path, corpus: Corpus) -> None:
    """What the report says a group was trained with: after warm-up, decay and thaw, and of the steps that were done."""
    torch.manual_seed(0)
    model = build_model(load_base_model(str(base)), TASKS)
    spec = _spec({"by": "step", "every": 5, "warmup": 0.5}, epochs=5)
    apply_freezing(model, spec.freeze)
    groups = rate_groups(model, spec)
    loop = TrainingLoop(model, corpus, groups, spec, CPU)
    highest = [0.0] * len(groups)

    def on_step(done: StepDone) -> None:
        for number, (group, own) in enumerate(zip(groups, loop.optimization.optimizer.param_groups, strict=True)):
            if group.depth >= loop.thawing.at(done.step).lowest:
                highest[number] = max(highest[number], own["lr"])
        assert loop.optimization.peak_rates(done.step + 1) == pytest.approx(highest)

    loop.run(lambda stage: lambda batch: encode_batch(model, corpus, CPU, batch), on_step)
    shares = {group.depth: peak / group.lr for group, peak in zip(groups, highest, strict=True)}
    assert shares[0] < shares[1] < shares[2] < shares[3] < shares[4] == 1.0


def test_gradual_recipe_trains_every_layer_at_half_its_rate_or_more(tmp_path: Path) -> None:
    """What is thawed when the rates have fallen towards zero is trained in name only."""
    spec = parse_spec(yaml.safe_load((ROOT / "recipes/gradual.yaml").read_text()))
    folder = make_tiny_base(tmp_path, layers=6)
    rows = [task.train for task in load_tasks(spec.tasks, spec.split, [ROOT / "data"])]
    model = build_model(load_base_model(str(folder)), [Task(t.name, t.labels) for t in spec.tasks])
    groups = rate_groups(model, spec)
    loop = TrainingLoop(model, make_corpus(folder, rows), groups, spec, CPU)
    assert loop.thawing.not_reached == []
    assert loop.thawing.stages[-1].first <= loop.plan.steps / 2
    peaks = loop.optimization.peak_rates(loop.plan.steps)
    assert all(peak >= group.lr / 2 for group, peak in zip(groups, peaks, strict=True))


def test_gradual_unfreezing_with_top_layers_and_a_frozen_head_starts_there(base: Path, corpus: Corpus) -> None:
    """Frozen heads stay frozen whatever is thawed below them."""
    run = _Run(base, corpus, _spec({"by": "step", "every": 4, "start_layers": 2}, heads=("mood",), epochs=2))
    assert [(stage.first, stage.lowest) for stage in run.stages] == [(0, 2), (4, 1), (8, 0)]
    trained = ("heads.1.", *PARTS[1:])
    for stage, parts in enumerate((trained[:3], trained[:4], trained)):
        assert run.changed_in(stage) == _named(run, parts)


def test_gradual_unfreezing_that_is_cut_short_says_what_was_never_thawed(base: Path, corpus: Corpus) -> None:
    """A recipe that ends before it thaws the embeddings is most likely not what was meant."""
    run = _Run(base, corpus, _spec({"every": 1}, epochs=2))
    assert len(run.stages) == 2
    assert run.loop.thawing.not_reached == [2, 1, 0]
    assert run.changed_in(1) == _named(run, PARTS[:2])


def test_gradual_unfreezing_keeps_the_dropout_of_frozen_layers_off(base: Path, corpus: Corpus) -> None:
    """What allows caching their outputs: in the stage of the heads alone, a row has one vector."""
    seen: list[list[bool]] = []
    torch.manual_seed(0)
    model = build_model(load_base_model(str(base)), TASKS)
    spec = _spec({"every": 1}, epochs=5)
    apply_freezing(model, spec.freeze)
    loop = TrainingLoop(model, corpus, rate_groups(model, spec), spec, CPU)

    def on_step(done: StepDone) -> None:
        if done.epoch == int(done.epoch):
            seen.append([layer.training for layer in (model.encoder.embeddings, *model.encoder.encoder.layer)])

    loop.run(lambda stage: lambda batch: encode_batch(model, corpus, CPU, batch), on_step)
    assert seen == [[layer >= 4 - epoch for layer in range(4)] for epoch in range(5)]


def test_rates_of_what_was_just_thawed_rise_from_zero_while_the_others_go_on(base: Path, corpus: Corpus) -> None:
    """The warm-up of a stage is that of its new layer alone."""
    spec = _spec({"by": "step", "every": 10, "warmup": 0.5}, epochs=10, warmup=0.0)
    run = _Run(base, corpus, spec)
    rates = run.loop.optimization.rates(12)
    lr = {(group.name, group.weight_decay > 0): rate for group, rate in zip(run.loop._groups, rates, strict=True)}
    decayed = (60 - 12) / 60
    assert lr["head.mood", True] == pytest.approx(1e-2 * decayed)
    assert lr["layer.2", True] == lr["layer.2", False] == pytest.approx(1e-2 / 0.95**3 * decayed * 3 / 5)


@pytest.mark.parametrize("first_step", [8, 12, 29])
def test_training_from_a_step_on_is_in_that_steps_stage(base: Path, corpus: Corpus, first_step: int) -> None:
    """A resumed training goes on where it was, with the steps it would have had."""
    spec = _spec({}, epochs=6)
    whole, rest = _Run(base, corpus, spec), _Run(base, corpus, spec, first_step)
    assert rest.stages == [stage for stage in whole.stages if stage.end > first_step]
    told = [(done.step, done.epoch, done.rows) for done in whole.told]
    assert [(done.step, done.epoch, done.rows) for done in rest.told] == told[first_step:]
