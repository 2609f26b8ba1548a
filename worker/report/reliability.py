"""Reliability: how often a model is right where it says how sure it is (Guo et al. 2017). Pure.

Shapes: N rows, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Equal in width. A diagram of ten bars is read at a glance; the calibration error uses 15.
BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence lies between `low` and `high`."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def reliability(scores_NC: npt.NDArray[np.float64], targets: npt.NDArray[np.int64]) -> list[Bin]:
    """Bins that hold answers, in their order.

    One label a row (targets_N): of the label told, by its score. Several (targets_NC of 0 and 1): of each label told
    or not, by the score of that.
    """
    if targets.ndim == 1:
        confidence, is_right = scores_NC.max(axis=1), scores_NC.argmax(axis=1) == targets
    else:
        confidence, is_right = scores_NC.ravel(), targets.ravel() == 1
    numbers = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins = []
    for number in range(BINS):
        own = numbers == number
        if own.any():
            mean, accuracy = float(confidence[own].mean()), float(is_right[own].mean())
            bins.append(Bin(number / BINS, (number + 1) / BINS, int(own.sum()), mean, accuracy))
    return bins
