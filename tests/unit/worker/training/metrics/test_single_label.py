"""The figures of a classifier, checked by hand."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import f1_score

from worker.training.metrics.single_label import classification_metrics, confidence_intervals

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


def test_intervals_match_a_bootstrap_that_resamples_rows() -> None:
    """Cells of the confusion matrix are drawn in place of rows: that must give the same intervals."""
    rng = np.random.default_rng(3)
    labels = rng.choice(3, size=300, p=[0.6, 0.3, 0.1])
    scores = rng.dirichlet([1.0, 1.0, 1.0], size=300) + np.eye(3)[labels] * 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    names = ("accuracy", "macro_f1", "macro_recall", "cross_entropy")
    drawn = [rng.integers(0, 300, 300) for _ in range(300)]
    naive = [classification_metrics(scores[rows], labels[rows]) for rows in drawn]
    fast = confidence_intervals(scores, labels, seed=1)
    assert tuple(fast) == names
    for name in names:
        expected = np.quantile([figures[name] for figures in naive], [0.025, 0.975])
        # 300 naive resamples of intervals about 0.1 wide leave an error of some 0.005 on each end.
        assert [fast[name]["low"], fast[name]["high"]] == pytest.approx(expected.tolist(), abs=0.02)


def test_intervals_of_perfect_scores_are_a_point() -> None:
    """Nothing moves however rows are drawn; a label that never occurs divides nothing by zero."""
    labels = np.array([0, 1, 0, 1])
    intervals = confidence_intervals(np.eye(2)[labels], labels, seed=0)
    assert intervals["accuracy"] == {"low": 1.0, "high": 1.0}
    assert intervals["cross_entropy"] == {"low": 0.0, "high": 0.0}


def test_intervals_with_many_labels_stay_small_in_memory() -> None:
    """Forty labels have 1,600 cells: what is drawn at once is bounded, or a large task would end the trainer."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 40, 4000)
    told = np.where(rng.random(4000) < 0.5, labels, rng.integers(0, 40, 4000))
    tracemalloc.start()
    intervals = confidence_intervals(np.eye(40)[told], labels, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250e6  # drawn at once they would be 10,000 x 1,600 numbers and more: 128 MB each time they are copied
    assert intervals["macro_f1"]["low"] < f1_score(labels, told, average="macro") < intervals["macro_f1"]["high"]
