"""Paired bootstrap: is one classifier better than another on the same rows, or was it luck with these rows?

Efron & Tibshirani 1993, chapter 13 (percentile interval); paired, since both see the same rows in each resample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from worker.training.corpus import Indices

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """Macro-F1 of the first minus that of the second, with its 95 % interval."""

    macro_f1_difference: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def macro_f1_difference(
    label_ids: Indices, first: Indices, second: Indices, num_labels: int, seed: int, resamples: int = RESAMPLES
) -> Difference:
    """Compare two predictions of the same rows.

    A resample of rows with replacement is, for macro-F1, a draw of how often each combination (label, first, second)
    occurs; these counts are multinomial, so they are drawn as such: the same distribution, without touching the rows.
    """
    shape = (num_labels, num_labels, num_labels)
    cells = np.ravel_multi_index((label_ids, first, second), shape)
    counts = np.bincount(cells, minlength=num_labels**3)
    occupied = np.flatnonzero(counts)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(label_ids), counts[occupied] / len(label_ids), size=resamples)
    resampled = np.zeros((resamples, num_labels**3), dtype=np.int64)
    resampled[:, occupied] = drawn
    differences = _difference(resampled.reshape(resamples, *shape))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return Difference(float(_difference(counts.reshape(1, *shape))[0]), float(low), float(high))


def _difference(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """counts[r, label, first, second] -> macro-F1 of the first minus that of the second, for each r."""
    return _macro_f1(counts.sum(axis=3)) - _macro_f1(counts.sum(axis=2))


def _macro_f1(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """confusion[r, label, predicted] -> macro-F1 for each r; a label that neither occurs nor is predicted counts 0."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    denominators = confusion.sum(axis=1) + confusion.sum(axis=2)
    f1 = np.divide(2 * hits, denominators, out=np.zeros(hits.shape), where=denominators > 0)
    return np.asarray(f1.mean(axis=1), dtype=np.float64)
