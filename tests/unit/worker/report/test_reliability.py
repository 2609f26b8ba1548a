"""Reliability bins: what was said, and what was true."""

from __future__ import annotations

import numpy as np
import pytest

from worker.report.reliability import reliability


def test_bins_hold_confidence_and_accuracy_of_the_label_told() -> None:
    """Two answers at 0.95 of which one is right, one at 0.55 that is right."""
    scores = np.array([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55]])
    bins = reliability(scores, np.array([0, 1, 1]))
    assert [(one.low, one.rows, one.accuracy) for one in bins] == [(0.5, 1, 1.0), (0.9, 2, 0.5)]
    assert [one.confidence for one in bins] == pytest.approx([0.55, 0.95])


def test_rows_with_several_labels_count_each_label() -> None:
    """There the score of a label is compared with how often it is there."""
    bins = reliability(np.array([[0.9, 0.2], [0.9, 0.2]]), np.array([[1, 0], [1, 1]]))
    assert [(one.rows, one.accuracy) for one in bins] == [(2, 0.5), (2, 1.0)]


def test_every_answer_is_in_one_bin() -> None:
    """Also those at the edges, 0 and 1."""
    scores = np.random.default_rng(0).dirichlet((0.05, 0.05, 0.05), size=500)
    assert sum(one.rows for one in reliability(scores, np.zeros(500, dtype=np.int64))) == 500
