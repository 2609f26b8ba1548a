"""Validation while a training runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import Embedding

from shared.base_model import load_base_model
from shared.model import MultiTaskModel, Task
from shared.model_files import build_model
from shared.spec import StoppingSpec
from shared.spec.stopping import FIGURES
from tests.tiny_rows import make_corpus, make_multi_label_rows, make_rows
from worker.training.corpus import Corpus
from worker.training.precision import Compute
from worker.training.validation import Validation

CPU = Compute(torch.device("cpu"), "bfloat16")


@pytest.fixture
def corpus(tiny_base: Path) -> Corpus:
    return make_corpus(tiny_base, [make_rows(30, seed=1), make_rows(50, 3, seed=2)])


@pytest.mark.parametrize(
    ("fields", "due"),
    [({}, [3, 6, 8]), ({"every": "steps", "steps": 2}, [2, 4, 6, 8]), ({"every": "steps", "steps": 5}, [5, 8])],
    ids=["epochs", "steps", "steps and the end"],
)
def test_validation_is_due_as_declared_and_at_the_end(
    tiny_model: MultiTaskModel, corpus: Corpus, fields: dict[str, object], due: list[int]
) -> None:
    """Of eight steps, three an epoch: the last state is always looked at, or it could not be the best."""
    validation = Validation(tiny_model, corpus, StoppingSpec.model_validate(fields), CPU)
    assert [step for step in range(1, 9) if validation.is_due(step, step / 3, is_last=step == 8)] == due


def test_validation_tells_the_declared_figures_of_every_task(tiny_model: MultiTaskModel, corpus: Corpus) -> None:
    """What a spec may name must be there."""
    figures = Validation(tiny_model, corpus, StoppingSpec(), CPU).figures()
    assert {task: tuple(own) for task, own in figures.items()} == {
        "mood": FIGURES["single_label"],
        "topic": FIGURES["single_label"],
    }


def test_validation_with_a_frozen_encoder_encodes_once_and_with_a_trained_one_each_time(
    tiny_model: MultiTaskModel, corpus: Corpus
) -> None:
    """The same vectors again cost nothing; old vectors of a model that has moved on would be wrong."""
    passes: list[int] = []
    embeddings = next(module for module in tiny_model.encoder.modules() if isinstance(module, Embedding))
    embeddings.register_forward_hook(lambda *_: passes.append(1))
    validation = Validation(tiny_model, corpus, StoppingSpec(), CPU)
    tiny_model.encoder.requires_grad_(False)
    frozen = validation.figures()
    once = len(passes)
    assert validation.figures() == frozen
    assert len(passes) == once > 0
    tiny_model.encoder.requires_grad_(True)
    with torch.no_grad():
        for parameter in tiny_model.encoder.parameters():
            parameter.mul_(-1.5)
    assert validation.figures() != frozen
    assert len(passes) == 2 * once


def test_validation_of_a_multi_label_task_fits_its_thresholds(tiny_base: Path) -> None:
    """A head that has just begun tells no label at fixed thresholds: every validation would say the same zero."""
    task = Task("topics", ("a", "b", "c"), kind="multi_label")
    torch.manual_seed(0)
    model = build_model(load_base_model(str(tiny_base)), [task])
    with torch.no_grad():
        next(model.heads[0].parameters()).mul_(0.01)
        model.heads[0].bias.fill_(-5.0)
    corpus = make_corpus(tiny_base, [make_multi_label_rows(60)])
    figures = Validation(model, corpus, StoppingSpec(), CPU).figures()["topics"]
    assert tuple(figures) == FIGURES["multi_label"]
    assert figures["macro_f1"] > 0.4
    assert model.tasks[0].thresholds == ()
