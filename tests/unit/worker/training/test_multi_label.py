"""Multi-label tasks: thresholds, figures and baselines, each against another way to compute it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_recall_fscore_support, recall_score

from shared.model import Task
from tests.tiny_rows import make_multi_label_rows
from worker.data.ledger import TaskData
from worker.training.evaluate import baseline_metrics
from worker.training.metrics.kinds import calibrated, probabilities, task_intervals, task_metrics
from worker.training.metrics.multi_label import multi_label_difference
from worker.training.thresholds import fit_thresholds, predict_labels

TASK = Task("topics", ("a", "b", "c"), kind="multi_label", thresholds=(0.3, 0.5, 0.8))


def _case(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know something, and what is true."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((rows, 3)) < np.array([0.5, 0.2, 0.05])).astype(np.int64)
    targets[0] = 1
    return 1 / (1 + np.exp(-(3 * targets - 2 + rng.normal(size=targets.shape)))), targets


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_give_the_best_f1_that_any_threshold_gives(seed: int) -> None:
    """Against every threshold that makes a difference."""
    scores, targets = _case(seed, rows=80)
    told = predict_labels(scores, fit_thresholds(scores, targets))
    for label in range(3):
        every = [f1_score(targets[:, label], scores[:, label] >= t) for t in [*scores[:, label], 2.0]]
        assert f1_score(targets[:, label], told[:, label]) == pytest.approx(max(every))


def test_thresholds_lie_between_two_scores() -> None:
    """A threshold that is a score of the validation rows would be crossed by rounding in another engine."""
    thresholds = fit_thresholds(np.array([[0.9], [0.6], [0.6], [0.2]]), np.array([[1], [1], [0], [0]]))
    assert thresholds == (pytest.approx(0.4),)


def test_threshold_of_a_label_without_rows_is_the_middle() -> None:
    """No row says where it should be."""
    assert fit_thresholds(np.array([[0.1], [0.2]]), np.array([[0], [0]])) == (0.5,)


def test_figures_are_those_of_scikit_learn() -> None:
    """Names that everybody knows must mean what everybody means."""
    scores, targets = _case(1)
    figures = task_metrics(TASK, scores, targets)
    told = predict_labels(scores, TASK.thresholds)
    assert figures["subset_accuracy"] == figures["accuracy"] == pytest.approx(accuracy_score(targets, told))
    assert figures["macro_f1"] == pytest.approx(f1_score(targets, told, average="macro"))
    assert figures["micro_f1"] == pytest.approx(f1_score(targets, told, average="micro"))
    assert figures["macro_recall"] == pytest.approx(recall_score(targets, told, average="macro"))
    losses = [log_loss(targets[:, label], scores[:, label]) for label in range(3)]
    assert figures["cross_entropy"] == pytest.approx(np.mean(losses))
    by_label = np.array(precision_recall_fscore_support(targets, told)).T
    assert list(figures["labels"]) == ["a", "b", "c"]
    for own, expected in zip(figures["labels"].values(), by_label, strict=True):
        assert [own[name] for name in ("precision", "recall", "f1", "rows")] == pytest.approx(expected.tolist())
    assert 0 < figures["ece"] < 0.3
    assert figures["rows"] == 300


def test_figures_of_one_label_are_figures_too() -> None:
    """A single 0/1 column, such as `toxic`, is a multi-label task with one label."""
    scores, targets = _case(2)
    task = Task("toxic", ("toxic",), kind="multi_label", thresholds=(0.5,))
    figures = task_metrics(task, scores[:, :1], targets[:, :1])
    assert figures["macro_f1"] == figures["micro_f1"] == pytest.approx(f1_score(targets[:, 0], scores[:, 0] >= 0.5))


def test_intervals_hold_the_figures() -> None:
    """An interval beside the figure would be of something else."""
    scores, targets = _case(3)
    figures, intervals = task_metrics(TASK, scores, targets), task_intervals(TASK, scores, targets, seed=1)
    assert set(intervals) == {"accuracy", "macro_f1", "macro_recall", "micro_f1", "cross_entropy"}
    for name, ends in intervals.items():
        assert ends["low"] < figures[name] < ends["high"]
        assert ends["high"] - ends["low"] < 0.4


def test_calibration_finds_the_temperature_that_scaled_the_logits() -> None:
    """Labels drawn from sigmoid(logits) are calibrated by 1; three times the logits need 3."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=1.5, size=(5000, 3))
    targets = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    task = calibrated(replace(TASK, thresholds=()), 3 * logits, targets)
    assert task.temperature == pytest.approx(3, rel=0.1)
    assert len(task.thresholds) == 3
    np.testing.assert_allclose(probabilities(task, 3 * logits), 1 / (1 + np.exp(-3 * logits / task.temperature)))


def test_baselines_of_a_multi_label_task_compare() -> None:
    """The words say the labels, so TF-IDF is right, the label shares are not, and a constant model is far behind."""
    parts = [make_multi_label_rows(rows, seed) for seed, rows in enumerate((150, 60, 60))]
    data = TaskData(
        train=parts[0], validation=parts[1], test=parts[2], num_read=270, dropped={}, dropped_by_file={}, sha256={},
        files={}, encodings={},
    )  # fmt: skip
    metrics = baseline_metrics(TASK, data, np.tile([0.4, 0.4, 0.4], (60, 1)), seed=1)
    assert metrics["majority"]["rows"] == metrics["tfidf_lr"]["rows"] == 60
    assert metrics["tfidf_lr"]["macro_f1"] > 0.8 > metrics["majority"]["macro_f1"]
    assert metrics["vs_tfidf_lr"]["low"] <= metrics["vs_tfidf_lr"]["macro_f1_difference"]
    assert metrics["vs_tfidf_lr"]["macro_f1_difference"] <= metrics["vs_tfidf_lr"]["high"] < 0


def test_difference_of_equal_predictions_is_nothing() -> None:
    """Paired: both see the same rows in each resample."""
    scores, targets = _case(4)
    told = predict_labels(scores, TASK.thresholds)
    assert multi_label_difference(targets, told, told, seed=1) == {"macro_f1_difference": 0.0, "low": 0.0, "high": 0.0}
