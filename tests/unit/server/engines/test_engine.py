"""Softmax over all tasks in one pass equals softmax a task."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from server.engines.engine import Columns
from shared.model import Task


@pytest.mark.parametrize("widths", [[2], [3, 2], [2, 5, 3, 2], [7] * 20])
def test_softmax_in_one_pass_equals_softmax_a_task(widths: list[int]) -> None:
    """One wrong boundary would leak one head's scores into another's."""
    columns = Columns.of([Task(f"t{n}", tuple(map(str, range(width)))) for n, width in enumerate(widths)])
    logits_BC = np.random.default_rng(0).normal(scale=20, size=(5, sum(widths))).astype(np.float32)
    scores_BC = columns.scores(logits_BC)
    for start, width in zip(columns.starts, widths, strict=True):
        part = logits_BC[:, start : start + width].astype(np.float64)
        expected = np.exp(part - part.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        np.testing.assert_allclose(scores_BC[:, start : start + width], expected, atol=1e-6)


def test_softmax_without_tasks_is_empty() -> None:
    """The base encoder has no heads and still embeds."""
    assert Columns.of([]).scores(np.zeros((3, 0), np.float32)).shape == (3, 0)


def test_scores_of_multi_label_tasks_are_those_of_the_task_itself() -> None:
    """Kinds stand side by side in one array; training and probes compute the scores with torch."""
    labels = ("x", "y", "z")
    tasks = [
        Task("a", labels[:2]),
        Task("b", labels, kind="multi_label"),
        Task("c", labels),
        Task("d", labels[:1], kind="multi_label"),
    ]
    logits_BC = np.random.default_rng(0).normal(scale=60, size=(50, 9)).astype(np.float32)
    columns = Columns.of(tasks)
    scores_BC = columns.scores(logits_BC)
    for start, task in zip(columns.starts, tasks, strict=True):
        own = slice(start, start + len(task.labels))
        np.testing.assert_allclose(
            scores_BC[:, own], task.scores(torch.from_numpy(logits_BC[:, own])).numpy(), atol=1e-6
        )
