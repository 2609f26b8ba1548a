"""The loss of a batch against its formula: class weights, several labels, task weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from shared.base_model import load_base_model
from shared.model import MultiTaskModel, Task
from shared.model_files import build_model
from shared.spec import ClassWeightsSpec, parse_spec
from tests.tiny_rows import make_corpus, make_multi_label_rows, make_rows
from worker.data.rows import Rows
from worker.training.class_weights import class_weights
from worker.training.loss import BatchLoss, TaskMeans

CPU = torch.device("cpu")
TASKS = (Task("mood", ("down", "up")), Task("topics", ("a", "b", "c"), kind="multi_label"))
BALANCED = ClassWeightsSpec(policy="balanced")
SPEC = parse_spec(
    {
        "tasks": [
            {"name": "mood", "labels": ["down", "up"], "data": {"train": "a"}},
            {"name": "topics", "kind": "multi_label", "labels": ["a", "b", "c"], "data": {"train": "b"}, "weight": 3},
        ]
    }
)


@pytest.fixture
def model(tiny_base: Path) -> MultiTaskModel:
    torch.manual_seed(0)
    return build_model(load_base_model(str(tiny_base)), TASKS)


@pytest.mark.parametrize("factors", [(), ((2.0, 0.5), (1.0, 4.0, 0.25))])
def test_loss_of_a_mixed_batch_is_the_weighted_sum_of_its_rows(
    model: MultiTaskModel, tiny_base: Path, factors: tuple[tuple[float, ...], ...]
) -> None:
    """Row by row in plain numpy: which head, which target, which factor."""
    rows = [make_rows(20), make_multi_label_rows(30)]
    corpus = make_corpus(tiny_base, rows)
    batch = np.random.default_rng(0).permutation(50)[:35]
    pooled = torch.randn(35, model.hidden_size)
    means = TaskMeans(model)
    with torch.no_grad():
        told = BatchLoss(model, corpus, SPEC, CPU, factors).sum(pooled, batch, means).item()
        logits = [head(pooled).double().numpy() for head in model.heads]
    expected, by_task = 0.0, {"mood": [], "topics": []}  # type: dict[str, list[float]]
    for place, row in enumerate(batch.tolist()):
        if row < 20:
            label = int(rows[0].label_ids[row])
            own = logits[0][place]
            loss = float(np.log(np.exp(own).sum()) - own[label]) * (factors[0][label] if factors else 1.0)
        else:
            chance = 1 / (1 + np.exp(-logits[1][place]))
            target = rows[1].label_ids[row - 20]
            positive = np.array(factors[1] if factors else (1.0, 1.0, 1.0))
            loss = float(-(positive * target * np.log(chance) + (1 - target) * np.log(1 - chance)).mean())
        by_task["mood" if row < 20 else "topics"].append(loss)
        expected += loss * (1 if row < 20 else 3)
    assert told == pytest.approx(expected, rel=1e-5)
    assert means.values() == pytest.approx({name: np.mean(losses) for name, losses in by_task.items()}, rel=1e-5)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """n / (k * count): people check them against compute_class_weight."""
    rows = make_rows(200, 3, shares=(0.7, 0.2, 0.1))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=rows.label_ids)
    assert class_weights(BALANCED, ("a", "b", "c"), rows) == pytest.approx(expected.tolist())


def test_balanced_weights_of_several_labels_even_out_presence_and_absence() -> None:
    """pos_weight: the rows with a label weigh together as much as those without it."""
    rows = make_multi_label_rows(200)
    present = rows.label_ids.sum(axis=0)
    found = np.array(class_weights(BALANCED, ("a", "b", "c"), rows))
    assert found * present == pytest.approx(200 - present)
    everywhere = Rows(rows.texts, np.ones_like(rows.label_ids))
    assert class_weights(BALANCED, ("a", "b", "c"), everywhere) == (1.0, 1.0, 1.0)


def test_explicit_weights_stand_in_the_order_of_the_labels() -> None:
    """A label that is not named counts 1."""
    spec = ClassWeightsSpec(policy="explicit", weights={"c": 5.0, "a": 2.0})
    assert class_weights(spec, ("a", "b", "c"), make_rows(10, 3)) == (2.0, 1.0, 5.0)
    assert class_weights(ClassWeightsSpec(), ("a", "b"), make_rows(10)) == ()
