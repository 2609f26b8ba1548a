"""Tasks of which a row has any number of labels: the model's figures and the baselines' are made by this one function.

Shapes: N rows, C labels, K kinds of rows, R resamples. `targets_NC` are 0/1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.training.corpus import Indices
from worker.training.metrics.resampling import RESAMPLES_OF_ROWS, interval, mean_interval, resampled_counts
from worker.training.metrics.single_label import Scores, ratio
from worker.training.thresholds import predict_labels

#: What a slice of the rows is told by.
SLICE_FIGURES = ("rows", "accuracy", "macro_f1", "micro_f1", "cross_entropy")
_BINS = 15


def multi_label_metrics(
    scores_NC: Scores, targets_NC: Indices, thresholds: tuple[float, ...], labels: Sequence[str]
) -> dict[str, Any]:
    """`scores_NC` are probabilities of each label by itself.

    accuracy and subset_accuracy: rows with exactly the right labels, as in scikit-learn. Macro averages go over all
    labels; one that neither occurs nor is told counts 0. Cross-entropy is the mean over rows and labels, in nats; ece
    is over all decisions, one for each row and label.
    """
    told_NC = predict_labels(scores_NC, thresholds)
    hits_C, told_C, there_C = (
        table.sum(axis=0).astype(np.float64) for table in (told_NC * targets_NC, told_NC, targets_NC)
    )
    precision_C, recall_C, f1_C = ratio(hits_C, told_C), ratio(hits_C, there_C), ratio(2 * hits_C, told_C + there_C)
    subset_accuracy = float((told_NC == targets_NC).all(axis=1).mean())
    by_label = zip(labels, precision_C.tolist(), recall_C.tolist(), f1_C.tolist(), there_C.tolist(), strict=True)
    return {
        "accuracy": subset_accuracy,
        "subset_accuracy": subset_accuracy,
        "macro_f1": float(f1_C.mean()),
        "micro_f1": float(2 * hits_C.sum() / max(1.0, float(told_C.sum() + there_C.sum()))),
        "macro_recall": float(recall_C.mean()),
        "cross_entropy": float(_losses(scores_NC, targets_NC).mean()),
        "ece": _calibration_error(scores_NC, targets_NC),
        "labels": {
            label: {"precision": precision, "recall": recall, "f1": f1, "rows": int(rows)}
            for label, precision, recall, f1, rows in by_label
        },
        "rows": len(targets_NC),
    }


def multi_label_intervals(
    scores_NC: Scores, targets_NC: Indices, thresholds: tuple[float, ...], seed: int
) -> dict[str, dict[str, float]]:
    """95 % bootstrap intervals of the main figures: {figure: {low, high}}."""
    told_NC = predict_labels(scores_NC, thresholds)
    (targets_KC, told_KC), counts = _kinds(targets_NC, told_NC)
    is_right_K = (targets_KC == told_KC).all(axis=1).astype(np.float64)
    rng = np.random.default_rng(seed)
    found: dict[str, list[Scores]] = {"accuracy": [], "macro_f1": [], "macro_recall": [], "micro_f1": []}
    for drawn in resampled_counts(counts, rng, RESAMPLES_OF_ROWS):
        hits_RC, told_RC, there_RC = drawn @ (targets_KC * told_KC), drawn @ told_KC, drawn @ targets_KC
        found["accuracy"].append(drawn @ is_right_K / len(targets_NC))
        found["macro_f1"].append(ratio(2 * hits_RC, told_RC + there_RC).mean(axis=1))
        found["macro_recall"].append(ratio(hits_RC, there_RC).mean(axis=1))
        found["micro_f1"].append(ratio(2 * hits_RC.sum(axis=1), (told_RC + there_RC).sum(axis=1)))
    return {name: interval(np.concatenate(values)) for name, values in found.items()} | {
        "cross_entropy": mean_interval(_losses(scores_NC, targets_NC).mean(axis=1), rng)
    }


def multi_label_difference(targets_NC: Indices, first_NC: Indices, second_NC: Indices, seed: int) -> dict[str, float]:
    """Macro-F1 of the first told labels minus that of the second, with its 95 % interval, on the same rows."""
    (targets_KC, *told), counts = _kinds(targets_NC, first_NC, second_NC)

    def difference(drawn_RK: Scores) -> Scores:
        f1 = [ratio(2 * (drawn_RK @ (targets_KC * t)), drawn_RK @ (targets_KC + t)).mean(axis=1) for t in told]
        return np.asarray(f1[0] - f1[1], dtype=np.float64)

    rng = np.random.default_rng(seed)
    resampled = [difference(drawn) for drawn in resampled_counts(counts, rng, RESAMPLES_OF_ROWS)]
    observed = float(difference(counts[np.newaxis].astype(np.float64))[0])
    return {"macro_f1_difference": observed, **interval(np.concatenate(resampled))}


def _kinds(*tables_NC: Indices) -> tuple[list[Scores], Indices]:
    """The different rows of these tables side by side, K x C of each, and how often each occurs."""
    kinds, counts = np.unique(np.hstack(tables_NC), axis=0, return_counts=True)
    return [part.astype(np.float64) for part in np.split(kinds, len(tables_NC), axis=1)], counts


def _losses(scores_NC: Scores, targets_NC: Indices) -> Scores:
    smallest = np.finfo(np.float64).tiny
    of_told = np.where(targets_NC == 1, scores_NC, 1 - scores_NC)
    return np.asarray(-np.log(np.maximum(of_told, smallest)))


def _calibration_error(scores_NC: Scores, targets_NC: Indices) -> float:
    """Mean gap between score and share of rows with the label, over equal-width bins of the score."""
    scores, targets = scores_NC.ravel(), targets_NC.ravel()
    bins: npt.NDArray[np.int64] = np.clip(np.ceil(scores * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    gap = np.bincount(bins, weights=targets - scores, minlength=_BINS)
    return float(np.abs(gap).sum() / len(scores))
