"""The split: shares are kept, groups are never torn apart, and the seed alone decides."""

import numpy as np
import pytest

from shared.errors import DataError
from worker.data.splitting import split_groups, stratified_sample


def grouped_rows(seed: int, num: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Labels 70/20/10 with groups of all sizes, some of them mixed."""
    generator = np.random.default_rng(seed)
    groups = np.sort(generator.integers(0, num // 2, size=num))
    groups[: num // 20] = 0
    return generator.choice(3, size=num, p=[0.7, 0.2, 0.1]), groups


@pytest.mark.parametrize("seed", range(5))
def test_split_random_groups_keeps_groups_and_shares(seed: int) -> None:
    """Both promises at once, on data with a group of 5 % of all rows."""
    label_ids, groups = grouped_rows(seed)
    parts = split_groups(label_ids, groups, (0.1, 0.2), seed, ("a", "b", "c"))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(label_ids)))
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert not set(groups[parts[one]]) & set(groups[parts[two]])
    for label in range(3):
        total = (label_ids == label).sum()
        for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
            assert (label_ids[part] == label).sum() / total == pytest.approx(share, abs=0.04)


def test_split_same_seed_is_the_same_and_another_is_not() -> None:
    """A result can be reproduced only if the split can."""
    label_ids, groups = grouped_rows(0)
    first, again, other = (split_groups(label_ids, groups, (0.1, 0.1), seed, ("a", "b", "c")) for seed in (13, 13, 14))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[2], other[2])


def test_split_rare_label_is_in_every_part() -> None:
    """A label that test does not have is a label that nobody has measured."""
    label_ids = np.array([0] * 97 + [1] * 3)
    parts = split_groups(label_ids, np.arange(100), (0.1, 0.1), 1, ("common", "rare"))
    assert [(label_ids[part] == 1).sum() for part in parts] == [1, 1, 1]


def test_split_label_with_too_few_groups_is_refused() -> None:
    """Five copies of one text are one text."""
    label_ids = np.array([0] * 10 + [1] * 5)
    groups = np.array([*range(10), 99, 99, 99, 99, 98])
    with pytest.raises(DataError, match=r"'rare' has 5 rows, which are 2 different texts .* at least 3"):
        split_groups(label_ids, groups, (0.1, 0.1), 1, ("common", "rare"))


def test_sample_keeps_shares_and_number() -> None:
    """max_rows promises a number, and the same task in small."""
    label_ids = np.array([0] * 700 + [1] * 200 + [2] * 100)
    taken = stratified_sample(label_ids, 101, seed=3)
    assert len(taken) == 101
    assert np.bincount(label_ids[taken]).tolist() == [71, 20, 10]
    assert np.array_equal(taken, stratified_sample(label_ids, 101, seed=3))
    assert np.array_equal(stratified_sample(label_ids, 5000, seed=3), np.arange(1000))
