"""Tasks of which each row has one label: the model's figures and the baselines' are made by this one function.

Shapes: N rows, C labels, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, recall_score

from worker.training.calibration import expected_calibration_error
from worker.training.corpus import Indices
from worker.training.metrics.resampling import interval, mean_interval, resampled_counts

Scores = npt.NDArray[np.float64]
#: What a slice of the rows is told by.
SLICE_FIGURES = ("rows", "accuracy", "macro_f1", "cross_entropy")


def classification_metrics(scores_NC: Scores, label_ids: Indices) -> dict[str, Any]:
    """`scores_NC` are probabilities in the order of the task's labels.

    Macro averages go over all labels of the task; one without rows counts 0. confusion[i][j]: rows of label i that were
    told to be label j. Cross-entropy is in nats.
    """
    labels = np.arange(scores_NC.shape[1])
    predicted = scores_NC.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(label_ids, predicted)),
        "macro_f1": float(f1_score(label_ids, predicted, labels=labels, average="macro", zero_division=0)),
        "macro_recall": float(recall_score(label_ids, predicted, labels=labels, average="macro", zero_division=0)),
        "cross_entropy": float(log_loss(label_ids, scores_NC, labels=labels)),
        "ece": expected_calibration_error(scores_NC, label_ids),
        "confusion": confusion_matrix(label_ids, predicted, labels=labels).tolist(),
        "rows": len(label_ids),
    }


def confidence_intervals(scores_NC: Scores, label_ids: Indices, seed: int) -> dict[str, dict[str, float]]:
    """95 % bootstrap intervals of accuracy, macro-F1, macro-recall and cross-entropy: {figure: {low, high}}.

    The first three are functions of the confusion matrix alone, so its cells are resampled in place of the rows.
    """
    num_labels = scores_NC.shape[1]
    cells, counts = np.unique(label_ids * num_labels + scores_NC.argmax(axis=1), return_counts=True)
    actual, predicted = np.divmod(cells, num_labels)
    rng = np.random.default_rng(seed)
    found: dict[str, list[Scores]] = {"accuracy": [], "macro_f1": [], "macro_recall": []}
    for drawn in resampled_counts(counts, rng):
        hits_RC, f1_RC = f1_by_label(drawn, actual, predicted, num_labels)
        found["accuracy"].append(hits_RC.sum(axis=1) / len(label_ids))
        found["macro_f1"].append(f1_RC.mean(axis=1))
        found["macro_recall"].append(ratio(hits_RC, drawn @ one_hot(actual, num_labels)).mean(axis=1))
    smallest = np.finfo(np.float64).tiny
    losses_N = -np.log(np.maximum(scores_NC[np.arange(len(label_ids)), label_ids], smallest))
    return {name: interval(np.concatenate(values)) for name, values in found.items()} | {
        "cross_entropy": mean_interval(losses_N, rng)
    }


def f1_by_label(drawn_RK: Scores, actual_K: Indices, predicted_K: Indices, num_labels: int) -> tuple[Scores, Scores]:
    """Hits and F1 of each label, R x C, where cell k holds the rows of label actual_K[k] told to be predicted_K[k].

    A label that neither occurs nor is predicted counts 0.
    """
    actual_KC, predicted_KC = one_hot(actual_K, num_labels), one_hot(predicted_K, num_labels)
    hits_RC = drawn_RK @ (actual_KC * predicted_KC)
    return hits_RC, ratio(2 * hits_RC, drawn_RK @ (actual_KC + predicted_KC))


def one_hot(ids: Indices, num_labels: int) -> Scores:
    return np.eye(num_labels)[ids]


def ratio(numerators: Scores, denominators: Scores) -> Scores:
    """Quotients; 0 where there is nothing to divide by."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0)
