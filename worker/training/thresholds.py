"""Thresholds of a multi-label task: for each label the one that gives the best F1 on validation rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from worker.training.corpus import Indices

DEFAULT = 0.5


def fit_thresholds(scores_NC: npt.NDArray[np.float64], targets_NC: Indices) -> tuple[float, ...]:
    """One for each label; DEFAULT for a label that no row has, since then every threshold is as good."""
    return tuple(_fit(scores_NC[:, label], targets_NC[:, label]) for label in range(scores_NC.shape[1]))


def _fit(scores_N: npt.NDArray[np.float64], targets_N: Indices) -> float:
    if not targets_N.any():
        return DEFAULT
    order = np.argsort(-scores_N, kind="stable")
    scores, hits = scores_N[order], np.cumsum(targets_N[order])
    told = np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (told + targets_N.sum())
    # Rows of one score are told together or not at all.
    f1[:-1][scores[:-1] == scores[1:]] = -1
    best = int(np.argmax(f1))
    # Halfway to the next score, where rounding in another engine changes nothing.
    return float((scores[best] + (scores[best + 1] if best + 1 < len(scores) else 0.0)) / 2)


def predict_labels(scores_NC: npt.NDArray[np.float64], thresholds: tuple[float, ...]) -> Indices:
    """0/1 for each label; without thresholds, DEFAULT for all."""
    return (scores_NC >= np.array(thresholds or [DEFAULT] * scores_NC.shape[1])).astype(np.int64)
