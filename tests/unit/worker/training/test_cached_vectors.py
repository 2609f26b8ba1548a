"""Frozen layers are computed once, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from shared.base_model import load_base_model
from shared.model import MultiTaskModel, drop_pooler
from shared.model_files import build_model
from shared.spec import FreezeSpec, parse_spec
from tests.tiny_model import Architecture, make_tiny_base, make_tiny_encoder
from tests.tiny_rows import TASKS, make_corpus, make_rows
from worker.training.cached_vectors import MIB, HiddenStates, SentenceVectors
from worker.training.corpus import Corpus, Indices
from worker.training.freezing import apply_freezing, enter_train_mode
from worker.training.halves import Halves
from worker.training.kept_vectors import KeptVectors, vectors_key
from worker.training.loop import StepDone, TrainingLoop
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter
from worker.training.rates import rate_groups
from worker.training.sources import StageSources
from worker.training.thawing import TrainingStage
from worker.training.vectors import VectorSource, batches_by_length, encode_batch, padded

CPU = Compute(torch.device("cpu"), "float32")
LAYERS, WIDTH = 3, 32
PLENTY = 2**30


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: make_tiny_base(folder / name, LAYERS, WIDTH, architecture=name) for name in get_args(Architecture)}


@pytest.fixture(scope="module")
def corpus(bases: dict[str, Path]) -> Corpus:
    return make_corpus(bases["bert"], [make_rows(60), make_rows(60, 3)])


def _model(base: Path, frozen_layers: int = 2) -> MultiTaskModel:
    torch.manual_seed(0)
    model = build_model(load_base_model(str(base)), TASKS)
    apply_freezing(model, FreezeSpec(policy="layers", layers=frozen_layers))
    return model


@pytest.mark.parametrize("architecture", get_args(Architecture))
@pytest.mark.parametrize("layers", range(LAYERS + 1))
def test_halves_of_any_architecture_give_what_the_whole_gives(architecture: Architecture, layers: int) -> None:
    """Masks, relative biases and names differ; in float64 nothing hides behind rounding. Padding is poisoned."""
    encoder = make_tiny_encoder(LAYERS, WIDTH, architecture=architecture).double().eval()
    drop_pooler(encoder)
    ids_BT = torch.randint(5, 40, (4, 12), generator=torch.Generator().manual_seed(1))
    mask_BT = (torch.arange(12) < torch.tensor([[12], [3], [7], [1]])).long()
    halves = Halves(encoder, layers)
    with torch.no_grad():
        whole_BTH = encoder(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        hidden_BTH = halves.lower(ids_BT, mask_BT)
        hidden_BTH[mask_BT == 0] = 1e3
        halves_BTH = halves.upper(hidden_BTH, ids_BT, mask_BT)
    torch.testing.assert_close(halves_BTH[mask_BT == 1], whole_BTH[mask_BT == 1], rtol=0, atol=1e-12)
    if 0 < layers < LAYERS:
        assert not torch.allclose(hidden_BTH[mask_BT == 1], whole_BTH[mask_BT == 1], atol=1e-2)


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_hidden_states_from_the_same_batch_give_the_same_bits(
    bases: dict[str, Path], corpus: Corpus, architecture: Architecture
) -> None:
    """Kept and put back, values and gradients above are those of a pass through the whole, to the bit."""
    model = _model(bases[architecture])
    rows = np.argsort(-corpus.lengths, kind="stable")[:60]
    few = Corpus.of([corpus.tokens[corpus.starts[r] :][: corpus.lengths[r]] for r in rows], rows, rows)
    assert len(list(batches_by_length(few, np.arange(60)))) == 1, "the batch that fills the cache is that of the test"
    batch = np.arange(len(few))
    cached = HiddenStates(model, few, CPU, 2, PLENTY)
    model.eval()
    cached.fill(lambda rows: None)
    outcomes = []
    for source in (cached, lambda batch: encode_batch(model, few, CPU, batch)):
        pooled_BH = source(batch)
        pooled_BH.square().sum().backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad(set_to_none=True)
        outcomes.append((pooled_BH.detach(), gradients))
    (kept_BH, kept), (whole_BH, whole) = outcomes
    assert torch.equal(kept_BH, whole_BH)
    assert kept.keys() == whole.keys()
    assert all(".layer.2." in name for name in kept)
    assert all(torch.equal(kept[name], whole[name]) for name in kept)


def _budget(corpus: Corpus, share: float) -> int:
    return int(corpus.lengths.sum() * WIDTH * 4 * share)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0])
def test_hidden_states_beyond_the_budget_are_computed_and_the_same(
    bases: dict[str, Path], corpus: Corpus, share: float
) -> None:
    """The budget bounds memory, not what is learned; batches that are half kept mix both."""
    model = _model(bases["mpnet"])
    cached = HiddenStates(model, corpus, CPU, 2, _budget(corpus, share))
    model.eval()
    told: list[int] = []
    cached.fill(told.append)
    enter_train_mode(model)
    batch = np.arange(0, len(corpus), 3)
    torch.manual_seed(1)
    mixed_BH = cached(batch)
    torch.manual_seed(1)
    torch.testing.assert_close(mixed_BH, encode_batch(model, corpus, CPU, batch), rtol=0, atol=1e-5)
    report = cached.describe()
    assert sum(told) == report["rows"]
    assert report["rows_reused"] + report["rows_recomputed"] == len(batch)
    assert (report["rows"] == len(corpus)) == (share == 1.0)
    assert (report["rows_reused"] == 0) == (share == 0.0)
    if 0 < share < 1:
        assert report["rows_reused"] > 0 < report["rows_recomputed"]


def test_hidden_states_in_bfloat16_take_half_the_memory(bases: dict[str, Path], corpus: Corpus) -> None:
    """Twice as many rows fit; the rounding is that of the operands, which autocast rounds anyway."""
    model = _model(bases["bert"])
    rounded = Compute(torch.device("cpu"), "bfloat16")
    budget = _budget(corpus, 0.5)
    assert HiddenStates(model, corpus, rounded, 2, budget).num_rows == len(corpus)
    assert HiddenStates(model, corpus, CPU, 2, budget).num_rows < len(corpus)
    cached = HiddenStates(model, corpus, rounded, 2, budget)
    model.eval()
    cached.fill(lambda rows: None)
    batch = np.arange(20)
    torch.testing.assert_close(cached(batch), encode_batch(model, corpus, rounded, batch), rtol=0, atol=0.05)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_sentence_vectors_of_a_frozen_encoder_keep_to_the_budget(
    bases: dict[str, Path], corpus: Corpus, share: float
) -> None:
    """One vector a row; those that do not fit are computed."""
    model = _model(bases["bert"], LAYERS)
    model.encoder.requires_grad_(False)
    cached = SentenceVectors(model, corpus, CPU, int(len(corpus) * WIDTH * 4 * share), KeptVectors())
    model.eval()
    cached.fill(lambda rows: None)
    assert cached.num_rows == len(corpus) * share
    batch = np.arange(len(corpus))[::-1].copy()
    torch.testing.assert_close(cached(batch), encode_batch(model, corpus, CPU, batch), rtol=0, atol=1e-5)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each batch that sentence vectors are computed for from now on."""
    rows: list[int] = []

    def counting(model: MultiTaskModel, corpus: Corpus, compute: Compute, batch: Indices) -> torch.Tensor:
        rows.append(len(batch))
        return encode_batch(model, corpus, compute, batch)

    monkeypatch.setattr("worker.training.cached_vectors.encode_batch", counting)
    return rows


def test_sentence_vectors_of_the_same_encoder_and_rows_are_taken_over(
    bases: dict[str, Path], corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next trial of a search has a model of its own with the same frozen encoder: nothing is computed again."""
    kept, rows = KeptVectors(), _counted(monkeypatch)
    batch = np.arange(len(corpus))
    found = []
    for _ in range(3):
        model = _model(bases["bert"], LAYERS).eval()
        cached = SentenceVectors(model, corpus, CPU, PLENTY, kept)
        if not cached.is_filled:
            cached.fill(lambda rows: None)
        found.append(cached(batch))
        cached.release()
    assert sum(rows) == len(corpus)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert cached.describe()["from_earlier_trial"]
    kept.drop()
    assert not SentenceVectors(model, corpus, CPU, PLENTY, kept).is_filled


@pytest.mark.parametrize("changed", ["weights", "rows", "precision", "budget"])
def test_sentence_vectors_of_anything_else_are_computed_anew(
    bases: dict[str, Path], corpus: Corpus, changed: str
) -> None:
    """Vectors of another encoder, window or precision would be wrong without anybody noticing."""
    kept = KeptVectors()
    model = _model(bases["bert"], LAYERS).eval()
    SentenceVectors(model, corpus, CPU, PLENTY, kept).fill(lambda rows: None)
    assert kept.find(vectors_key(model, corpus, CPU, PLENTY)) is not None
    if changed == "weights":
        with torch.no_grad():
            next(model.encoder.parameters()).view(-1)[0] += 1e-3
    rows = replace(corpus) if changed == "rows" else corpus
    compute = replace(CPU, precision="bfloat16") if changed == "precision" else CPU
    budget = PLENTY - 1 if changed == "budget" else PLENTY
    assert not SentenceVectors(model, rows, compute, budget, kept).is_filled
    assert kept.find(vectors_key(model, corpus, CPU, PLENTY)) is None, "the budget is for one block"


def test_hidden_states_take_the_budget_from_kept_sentence_vectors(bases: dict[str, Path], corpus: Corpus) -> None:
    """Trials with different freezing must not add up to more memory than was allowed."""
    kept, progress = KeptVectors(), ProgressReporter(lambda _: None)
    key = []
    for lowest, draws in ((LAYERS + 1, 1), (LAYERS, 10 * len(corpus))):
        model = _model(bases["bert"], LAYERS - 1)
        model.encoder.requires_grad_(False)
        key.append(vectors_key(model, corpus, CPU, 64 * MIB))
        if lowest == LAYERS:
            apply_freezing(model, FreezeSpec(policy="layers", layers=LAYERS - 1))
        StageSources(model, corpus, CPU, 64, kept).enter(TrainingStage(0, 10, lowest), draws, progress)
        assert (kept.find(key[0]) is not None) == (lowest > LAYERS)
    assert key[0] == key[1]


def test_hidden_states_of_an_encoder_that_does_more_than_its_layers_are_refused(
    bases: dict[str, Path], corpus: Corpus
) -> None:
    """A sum over all layers, for example, cannot be cut in two; better slow than wrong."""
    model = _model(bases["bert"])
    inner = model.encoder

    class Summing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeddings, self.encoder, self.config = inner.embeddings, inner.encoder, inner.config

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            hidden = self.embeddings(input_ids=input_ids)
            total = hidden
            for layer in self.encoder.layer:
                hidden = layer(hidden)
                total = total + hidden
            return type("Output", (), {"last_hidden_state": total})

    model.encoder = Summing()
    ids_BT, mask_BT = padded(model, corpus, CPU, np.arange(4))
    model.eval()
    assert not Halves(model.encoder, 2).agrees_with(model.encoder, ids_BT, mask_BT)


@pytest.mark.parametrize("architecture", ["bert", "mpnet"])
def test_training_above_hidden_states_has_the_losses_of_training_through_the_whole(
    bases: dict[str, Path], corpus: Corpus, architecture: Architecture
) -> None:
    """Dropout above included: frozen layers draw no noise, so the same seed gives the same."""
    tasks = [{"name": t.name, "labels": t.labels, "data": {"train": "x.csv"}} for t in TASKS]
    freeze = {"policy": "layers", "layers": 2}
    spec = parse_spec({"tasks": tasks, "freeze": freeze, "layerwise_lr": {"base_lr": 1e-3}, "optimizer": {"epochs": 3}})
    losses = []
    for keep in (True, False):
        model = _model(bases[architecture])
        loop = TrainingLoop(model, corpus, rate_groups(model, spec), spec, CPU)

        def source(stage: object, model: MultiTaskModel = model, keep: bool = keep) -> VectorSource:
            if not keep:
                return lambda batch: encode_batch(model, corpus, CPU, batch)
            cached = HiddenStates(model, corpus, CPU, 2, PLENTY)
            model.eval()
            cached.fill(lambda rows: None)
            return cached

        told: list[StepDone] = []
        loop.run(source, told.append)
        losses.append([list(done.loss_by_task.values()) for done in told])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
