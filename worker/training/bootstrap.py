"""Paired bootstrap: is one classifier better than another on the same rows, or was it luck with these rows?

Paired, since both see the same rows in each resample; how resamples are drawn is worker.training.metrics.resampling.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from worker.training.corpus import Indices
from worker.training.metrics.resampling import RESAMPLES, Values, interval, resampled_counts
from worker.training.metrics.single_label import f1_by_label


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
    """Compare two predictions of the same rows. A kind of row is a combination (label, first, second)."""
    shape = (num_labels, num_labels, num_labels)
    cells, counts = np.unique(np.ravel_multi_index((label_ids, first, second), shape), return_counts=True)
    actual_K, first_K, second_K = np.unravel_index(cells, shape)

    def difference(drawn_RK: Values) -> Values:
        ours, theirs = (f1_by_label(drawn_RK, actual_K, told_K, num_labels)[1] for told_K in (first_K, second_K))
        return np.asarray(ours.mean(axis=1) - theirs.mean(axis=1), dtype=np.float64)

    rng = np.random.default_rng(seed)
    resampled = np.concatenate([difference(drawn) for drawn in resampled_counts(counts, rng, resamples)])
    observed = float(difference(counts[np.newaxis].astype(np.float64))[0])
    return Difference(observed, **interval(resampled))
