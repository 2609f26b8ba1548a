"""The paired bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from worker.training.bootstrap import macro_f1_difference
from worker.training.corpus import Indices


def _noisy(labels: Indices, share_wrong: float, seed: int) -> Indices:
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < share_wrong
    return np.where(wrong, rng.integers(0, 3, len(labels)), labels)


def test_difference_matches_a_bootstrap_that_resamples_rows() -> None:
    """Counts of combinations are drawn in place of rows: that must give the same interval."""
    rng = np.random.default_rng(4)
    labels = rng.choice(3, size=400, p=[0.6, 0.3, 0.1])
    first, second = _noisy(labels, 0.2, 1), _noisy(labels, 0.4, 2)

    def difference(rows: Indices) -> float:
        f1 = [
            f1_score(labels[rows], predicted[rows], labels=[0, 1, 2], average="macro", zero_division=0)
            for predicted in (first, second)
        ]
        return float(f1[0] - f1[1])

    naive = [difference(rng.integers(0, 400, 400)) for _ in range(300)]
    fast = macro_f1_difference(labels, first, second, num_labels=3, seed=0)
    assert fast.macro_f1_difference == pytest.approx(difference(np.arange(400)))
    # 300 naive resamples of an interval about 0.11 wide leave an error of some 0.005 on each end.
    assert [fast.low, fast.high] == pytest.approx(np.quantile(naive, [0.025, 0.975]).tolist(), abs=0.02)


def test_difference_of_a_classifier_to_itself_is_exactly_zero() -> None:
    """Paired means paired: the same rows in every resample, so no noise is left."""
    labels = np.array([0, 1, 2, 0, 1])
    told = np.array([0, 1, 1, 0, 0])
    same = macro_f1_difference(labels, told, told, num_labels=3, seed=0)
    assert same.to_dict() == {"macro_f1_difference": 0.0, "low": 0.0, "high": 0.0}


def test_difference_with_the_same_seed_is_the_same() -> None:
    """A figure in a result can be computed again."""
    labels = np.arange(30) % 3
    first, second = _noisy(labels, 0.2, 1), _noisy(labels, 0.5, 2)
    one, other, third = (macro_f1_difference(labels, first, second, 3, seed) for seed in (7, 7, 8))
    assert one == other
    assert one != third
