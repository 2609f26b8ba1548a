"""The training loop on tiny models."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.optimizer import register_optimizer_step_pre_hook

from shared.base_model import load_base_model
from shared.errors import TrainingError
from shared.model import MultiTaskModel
from shared.model_files import build_model
from shared.spec import JobSpec, parse_spec
from tests.tiny_rows import TASKS, make_corpus, make_rows
from worker.training.cached_vectors import SentenceVectors
from worker.training.corpus import Corpus
from worker.training.freezing import apply_freezing
from worker.training.kept_vectors import KeptVectors
from worker.training.loop import StepDone, TrainingLoop
from worker.training.precision import Compute
from worker.training.rates import rate_groups
from worker.training.vectors import VectorSource, encode_batch, encode_corpus

CPU = Compute(torch.device("cpu"), "float32")


def _spec(freeze: str = "none", base_lr: float = 1e-3, **optimizer: Any) -> JobSpec:
    return parse_spec(
        {
            "tasks": [{"name": t.name, "labels": t.labels, "data": {"train": "x.csv"}} for t in TASKS],
            "freeze": {"policy": freeze},
            "layerwise_lr": {"base_lr": base_lr},
            "optimizer": {"head_lr": 1e-2, **optimizer},
        }
    )


def _model(base: Path, spec: JobSpec) -> MultiTaskModel:
    torch.manual_seed(spec.optimizer.seed)
    model = build_model(load_base_model(str(base)), TASKS)
    apply_freezing(model, spec.freeze)
    return model


def _train(
    model: MultiTaskModel,
    corpus: Corpus,
    spec: JobSpec,
    vectors: VectorSource | None = None,
    compute: Compute = CPU,
    on_step: Callable[[StepDone], None] = lambda done: None,
) -> None:
    loop = TrainingLoop(model, corpus, rate_groups(model, spec), spec, compute)
    source = vectors or (lambda batch: encode_batch(model, corpus, compute, batch))
    loop.run(lambda stage: source, on_step)


@pytest.fixture(scope="module")
def corpus(tiny_base: Path) -> Corpus:
    return make_corpus(tiny_base, [make_rows(60, seed=1), make_rows(90, 3, seed=2)])


def _equal(first: MultiTaskModel, second: MultiTaskModel) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_loop_on_few_rows_learns_them_by_heart(tiny_base: Path, corpus: Corpus) -> None:
    """The classic check of a training loop: if it cannot overfit, rows, labels or gradients are mixed up."""
    spec = _spec(epochs=30, warmup=0.1)
    model = _model(tiny_base, spec)
    _train(model, corpus, spec)
    pooled_NH = encode_corpus(model, corpus, CPU)
    for number, head in enumerate(model.heads):
        rows = corpus.rows_of_task(number)
        assert np.array_equal(head(pooled_NH[rows]).argmax(1).numpy(), corpus.label_ids[rows])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_loop_with_the_same_seed_gives_the_same_bits(tiny_base: Path, corpus: Corpus, precision: Any) -> None:
    """Reproducible to the bit: the ground on which resuming stands."""
    compute = Compute(torch.device("cpu"), precision)
    models = []
    for seed in (5, 5, 6):
        spec = _spec(seed=seed)
        model = _model(tiny_base, spec)
        torch.rand(seed)  # what ran before in this process must not matter
        _train(model, corpus, spec, compute=compute)
        models.append(model)
    assert _equal(models[0], models[1])
    assert not _equal(models[0], models[2])


def test_loop_with_gathered_gradients_of_embeddings_trains_the_same_model(
    tiny_base: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How a gradient is carried is nobody's business but the clock's; the tiny vocabulary is else too small for it."""
    models = []
    for large in (2**20, 1):
        monkeypatch.setattr("worker.training.embedding_tables.LARGE", large)
        spec = _spec(accumulate=2)
        models.append(_model(tiny_base, spec))
        _train(models[-1], corpus, spec)
    torch.testing.assert_close(models[1].state_dict(), models[0].state_dict(), rtol=1e-3, atol=1e-5)


def test_loop_with_bfloat16_keeps_weights_in_float32(tiny_base: Path, corpus: Corpus) -> None:
    """Small updates vanish in bfloat16 weights."""
    spec = _spec()
    model = _model(tiny_base, spec)
    _train(model, corpus, spec, compute=Compute(torch.device("cpu"), "bfloat16"))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_loop_with_cached_vectors_equals_one_that_computes_them_anew(tiny_base: Path, corpus: Corpus) -> None:
    """A frozen backbone needs one pass over the rows, not one in each epoch, and nothing else changes."""
    spec = _spec(freeze="backbone", epochs=5)
    naive, cached = _model(tiny_base, spec), _model(tiny_base, spec)
    _train(naive, corpus, spec)
    kept = SentenceVectors(cached, corpus, CPU, budget_bytes=2**20, kept=KeptVectors())
    cached.eval()
    kept.fill(lambda rows: None)
    _train(cached, corpus, spec, vectors=kept)
    for one, other in zip(naive.parameters(), cached.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_loop_with_rows_of_one_task_trains_no_other_head(tiny_base: Path) -> None:
    """Every row goes to its own head: the other one must not move."""
    spec = _spec(weight_decay=0.0)
    model = _model(tiny_base, spec)
    before = [head.weight.clone() for head in model.heads]
    mood = make_rows(40)
    _train(model, make_corpus(tiny_base, [mood, make_rows(0, 3)]), spec)
    assert not torch.equal(model.heads[0].weight, before[0])
    assert torch.equal(model.heads[1].weight, before[1])


def test_loop_loss_is_each_rows_cross_entropy_at_its_own_head(tiny_base: Path, corpus: Corpus) -> None:
    """The first batch's losses, computed by hand."""
    spec = _spec(rows_per_batch=150, tokens_per_batch=100_000, epochs=1)
    model = _model(tiny_base, spec)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for layer in model.encoder.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    pooled_NH = encode_corpus(model, corpus, CPU)
    expected = {}
    for number, task in enumerate(model.tasks):
        rows = corpus.rows_of_task(number)
        labels = torch.from_numpy(corpus.label_ids[rows])
        expected[task.name] = pytest.approx(
            cross_entropy(model.heads[number](pooled_NH[rows]), labels).item(), rel=1e-5
        )
    told: list[StepDone] = []
    _train(model, corpus, spec, on_step=told.append)
    assert [done.loss_by_task for done in told] == [expected]
    assert [done.rows for done in told] == [150]


def test_loop_tells_epochs_and_all_rows(tiny_base: Path, corpus: Corpus) -> None:
    """Progress, speed and remaining time are computed from these."""
    spec = _spec(epochs=2)
    told: list[StepDone] = []
    _train(_model(tiny_base, spec), corpus, spec, on_step=told.append)
    assert sum(done.rows for done in told) == 2 * len(corpus)
    assert told[-1].epoch == 2.0
    assert sorted(done.epoch for done in told) == [done.epoch for done in told]


def _poisoned(pooled_BH: Tensor) -> Tensor:
    return pooled_BH * math.nan


def test_loop_with_a_loss_that_is_not_finite_fails_and_says_where(tiny_base: Path, corpus: Corpus) -> None:
    """A diverged model must never be saved, let alone published."""
    spec = _spec(epochs=1)
    model = _model(tiny_base, spec)
    with pytest.raises(
        TrainingError, match=r"the loss is nan in step 1 of \d+ \(task mood, topic\); the largest rate is 0.01; lower"
    ):
        _train(model, corpus, spec, vectors=lambda batch: _poisoned(encode_batch(model, corpus, CPU, batch)))


@pytest.mark.parametrize(("min_steps", "epochs"), [(0, 2), (6, 2), (7, 3), (10, 4)])
def test_loop_with_min_steps_adds_whole_epochs(tiny_base: Path, corpus: Corpus, min_steps: int, epochs: int) -> None:
    """Few rows need more passes; 150 rows in batches of 50 are 3 steps an epoch, and every row counts equally often."""
    spec = _spec(epochs=2, min_steps=min_steps, rows_per_batch=50, tokens_per_batch=100_000)
    model = _model(tiny_base, spec)
    loop = TrainingLoop(model, corpus, rate_groups(model, spec), spec, CPU)
    done: list[StepDone] = []
    loop.run(lambda stage: lambda batch: encode_batch(model, corpus, CPU, batch), done.append)
    assert (loop.plan.epochs, loop.plan.steps) == (epochs, 3 * epochs)
    assert (len(done), done[-1].epoch, sum(step.rows for step in done)) == (3 * epochs, epochs, 150 * epochs)


def test_loop_with_a_gradient_that_is_not_finite_fails(tiny_base: Path, corpus: Corpus) -> None:
    """The loss can be finite while its gradient is not; the next step would have ruined the weights."""
    spec = _spec(epochs=1, clip=0.0)
    model = _model(tiny_base, spec)
    model.heads[0].weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingError, match="the gradient's norm is"):
        _train(model, corpus, spec)


def test_loop_with_clipping_bounds_the_gradient(tiny_base: Path, corpus: Corpus) -> None:
    """One odd batch must not throw the weights off."""
    norms = {}
    for clip in (0.0, 0.01):
        spec = _spec(epochs=1, clip=clip, rows_per_batch=150, tokens_per_batch=100_000)
        model = _model(tiny_base, spec)
        loop = TrainingLoop(model, corpus, rate_groups(model, spec), spec, CPU)
        norms[clip] = _norm_seen_by_optimizer(loop, model, corpus)
    assert norms[0.0] > 0.02
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)


def _norm_seen_by_optimizer(loop: TrainingLoop, model: MultiTaskModel, corpus: Corpus) -> float:
    gradients: list[Tensor] = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: gradients.extend(
            p.grad.flatten() for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        )
    )
    try:
        loop.run(lambda stage: lambda batch: encode_batch(model, corpus, CPU, batch), lambda done: None)
    finally:
        hook.remove()
    return float(torch.cat(gradients).norm())


def _first_gradients(base: Path, weights: tuple[float, float]) -> dict[str, Tensor]:
    """Gradients of the heads in the first step, the encoder frozen."""
    body = _spec("backbone", epochs=1, clip=0.0).model_dump()
    for task, weight in zip(body["tasks"], weights, strict=True):
        task["weight"] = weight
    spec = parse_spec(body)
    model = _model(base, spec)
    gradients: dict[str, Tensor] = {}

    def keep_first(*_: object) -> None:
        for name, parameter in model.heads.named_parameters():
            if parameter.grad is not None:
                gradients.setdefault(name, parameter.grad.clone())

    hook = register_optimizer_step_pre_hook(keep_first)
    try:
        _train(model, make_corpus(base, [make_rows(40), make_rows(40, 3)]), spec)
    finally:
        hook.remove()
    return gradients


def test_weight_of_a_task_scales_its_gradient_and_no_other(tiny_base: Path) -> None:
    """A factor of the task's loss in the sum: the other head must not notice."""
    plain, weighted = _first_gradients(tiny_base, (1.0, 1.0)), _first_gradients(tiny_base, (1.0, 3.0))
    for name in plain:
        factor = 3.0 if name.startswith("1.") else 1.0
        torch.testing.assert_close(weighted[name], factor * plain[name])


def _gradients_of_one_step(base: Path, corpus: Corpus, **optimizer: Any) -> dict[str, Tensor]:
    """Without dropout, since each way of cutting the rows would draw other noise."""
    spec = _spec(epochs=1, clip=0.0, tokens_per_batch=100_000, **optimizer)
    body = spec.model_dump()
    body["tasks"][1]["weight"] = 3.0
    spec = parse_spec(body)
    model = _model(base, spec)
    gradients: dict[str, Tensor] = {}
    steps: list[StepDone] = []

    def keep(*_: object) -> None:
        gradients.update({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})

    def encode(batch: Any) -> Tensor:
        model.eval()
        return encode_batch(model, corpus, CPU, batch)

    hook = register_optimizer_step_pre_hook(keep)
    try:
        _train(model, corpus, spec, vectors=encode, on_step=steps.append)
    finally:
        hook.remove()
    assert [step.rows for step in steps] == [150]
    return gradients


def test_loop_that_accumulates_has_the_gradient_of_one_big_batch(tiny_base: Path, corpus: Corpus) -> None:
    """The memory of a small batch, the step of a big one: every row counts once, in batches of whatever size."""
    big = _gradients_of_one_step(tiny_base, corpus, rows_per_batch=150)
    # 150 rows in batches of 40, 40, 40 and 30: a mean of means would weigh the last ones more.
    small = _gradients_of_one_step(tiny_base, corpus, rows_per_batch=40, accumulate=4)
    assert big.keys() == small.keys()
    for name, gradient in big.items():
        torch.testing.assert_close(small[name], gradient, rtol=1e-4, atol=1e-6)


def test_loop_that_accumulates_counts_updates_as_steps(tiny_base: Path, corpus: Corpus) -> None:
    """Schedules are in updates: 150 rows in batches of 40 are 4 batches, so 2 steps of 3 and 1; twice."""
    spec = _spec(epochs=2, rows_per_batch=40, tokens_per_batch=100_000, accumulate=3)
    told: list[StepDone] = []
    _train(_model(tiny_base, spec), corpus, spec, on_step=told.append)
    assert [done.step for done in told] == [0, 1, 2, 3]
    assert [done.epoch for done in told] == [0.75, 1.0, 1.75, 2.0]
    assert told[0].rows + told[1].rows == 150
