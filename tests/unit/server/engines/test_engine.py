"""Softmax over all tasks in one pass equals softmax a task."""

from __future__ import annotations

import numpy as np
import pytest

from server.engines.engine import Columns


@pytest.mark.parametrize("widths", [[2], [3, 2], [2, 5, 3, 2], [7] * 20])
def test_softmax_in_one_pass_equals_softmax_a_task(widths: list[int]) -> None:
    """One wrong boundary would leak one head's scores into another's."""
    columns = Columns.of(widths)
    logits_BC = np.random.default_rng(0).normal(scale=20, size=(5, sum(widths))).astype(np.float32)
    scores_BC = columns.softmax(logits_BC)
    for start, width in zip(columns.starts, widths, strict=True):
        part = logits_BC[:, start : start + width].astype(np.float64)
        expected = np.exp(part - part.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        np.testing.assert_allclose(scores_BC[:, start : start + width], expected, atol=1e-6)


def test_softmax_without_tasks_is_empty() -> None:
    """The base encoder has no heads and still embeds."""
    assert Columns.of([]).softmax(np.zeros((3, 0), np.float32)).shape == (3, 0)
