"""The bootstrap: how far a figure would move with other rows of the same kind (Efron & Tibshirani 1993, chapter 13).

A resample of rows with replacement is, for a figure that depends on counts alone, a draw of how often each kind of row
occurs. These counts are multinomial, so they are drawn as such: the same distribution, without touching the rows.
Percentile intervals. Memory is bounded, however many kinds there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from worker.training.corpus import Indices

RESAMPLES = 10_000
#: Where rows themselves are drawn; the ends of an interval then are off by some 5 % of its width.
RESAMPLES_OF_ROWS = 1_000
CONFIDENCE = 0.95
#: Numbers in memory at once: 32 MB.
_CHUNK = 4_000_000

Values = npt.NDArray[np.float64]


def resampled_counts(counts_K: Indices, rng: np.random.Generator, resamples: int = RESAMPLES) -> Iterator[Values]:
    """Resampled counts of K kinds of rows, R x K in portions."""
    num_rows = int(counts_K.sum())
    for portion in _portions(resamples, len(counts_K)):
        yield rng.multinomial(num_rows, counts_K / num_rows, size=portion).astype(np.float64)


def interval(values_R: Values) -> dict[str, float]:
    """Where the middle 95 % of the resampled values lie."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values_R, [tail, 1 - tail])
    return {"low": float(low), "high": float(high)}


def mean_interval(values_N: Values, rng: np.random.Generator) -> dict[str, float]:
    """The interval of a mean over rows."""
    num_rows = len(values_N)
    means = [
        values_N[rng.integers(0, num_rows, (portion, num_rows))].mean(axis=1)
        for portion in _portions(RESAMPLES_OF_ROWS, num_rows)
    ]
    return interval(np.concatenate(means))


def _portions(resamples: int, width: int) -> Iterator[int]:
    """Cut `resamples` so that each portion has at most _CHUNK numbers in rows of `width`."""
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, resamples, step):
        yield min(step, resamples - start)
