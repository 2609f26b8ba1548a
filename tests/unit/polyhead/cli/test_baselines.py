"""A model that a baseline beats must not look like a success."""

from __future__ import annotations

from typing import Any

import pytest

from polyhead.cli.baselines import notes


def scores(**macro_f1: float) -> dict[str, Any]:
    return {name: {"macro_f1": score} for name, score in macro_f1.items()}


def test_task_below_its_best_baseline_is_named_with_both_scores_and_advice() -> None:
    """One line: what is wrong, by how much, what to turn."""
    metrics = {"team": scores(model=0.5, majority=0.2, tfidf_lr=0.7), "mood": scores(model=0.8, tfidf_lr=0.7)}
    (line,) = notes(metrics)
    assert line.startswith("note: team is below a baseline: macro_f1 0.500, TF-IDF + LR has 0.700.")
    for setting in ("optimizer.epochs", "optimizer.min_steps", "layerwise_lr.base_lr", "optimizer.head_lr", "rows"):
        assert setting in line


def test_task_below_the_majority_alone_is_named() -> None:
    """Where TF-IDF does even worse, or was not scored."""
    (line,) = notes({"team": scores(model=0.1, majority=0.2)})
    assert "always the commonest label has 0.200" in line


@pytest.mark.parametrize(
    "metrics", [{}, {"team": scores(model=0.7, tfidf_lr=0.7)}, {"team": scores(model=0.1)}, {"team": {"model": None}}]
)
def test_nothing_is_said_of_a_model_that_no_baseline_beats(metrics: dict[str, Any]) -> None:
    """Also without baselines, and for metrics of another form."""
    assert list(notes(metrics)) == []
