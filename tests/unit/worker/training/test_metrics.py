"""The figures of a classifier, checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worker.training.metrics import classification_metrics

#: Rows of labels 0, 0, 0, 1, 1, 2; told to be 0, 0, 1, 1, 0, 1.
_LABELS = np.array([0, 0, 0, 1, 1, 2])
_TOLD = np.array([0, 0, 1, 1, 0, 1])
_SCORES = np.full((6, 3), 0.1)
_SCORES[np.arange(6), _TOLD] = 0.8


def test_metrics_of_known_predictions_are_those_computed_by_hand() -> None:
    """They decide over releases, so they are checked without the library that computes them."""
    metrics = classification_metrics(_SCORES, _LABELS)
    assert metrics["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert metrics["accuracy"] == pytest.approx(3 / 6)
    assert metrics["macro_recall"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((4 / 6 + 2 / 5 + 0) / 3)
    assert metrics["cross_entropy"] == pytest.approx(-(3 * math.log(0.8) + 3 * math.log(0.1)) / 6)
    assert metrics["ece"] == pytest.approx(0.3)
    assert metrics["rows"] == 6


def test_metrics_with_a_label_that_has_no_rows_count_it_as_zero() -> None:
    """Leaving it out would flatter a model that never saw it; dividing by zero would fail the job."""
    metrics = classification_metrics(np.array([[0.9, 0.1, 0.0]] * 3), np.array([0, 0, 0]))
    assert metrics["macro_f1"] == pytest.approx(1 / 3)
    assert metrics["cross_entropy"] == pytest.approx(-math.log(0.9))
