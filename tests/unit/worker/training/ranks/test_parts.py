"""Every row of a batch is computed by exactly one rank, and the ranks have about the same to do."""

from __future__ import annotations

import numpy as np
import pytest

from worker.training.ranks.parts import part_of


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 2, 6, 7, 32])
def test_parts_of_a_batch_hold_every_row_once(rows: int, size: int) -> None:
    """A row that two ranks computed would count twice; one that none did would be lost."""
    rng = np.random.default_rng(rows * 10 + size)
    lengths = rng.integers(3, 60, size=100)
    batch = rng.permutation(100)[:rows]
    parts = [part_of(batch, lengths, rank, size) for rank in range(size)]
    assert sorted(np.concatenate(parts)) == sorted(batch)
    assert all(len(part) for part in parts) == (rows >= size)


def test_parts_have_nearly_as_many_tokens_each() -> None:
    """The slowest rank decides how long a step takes."""
    lengths = np.random.default_rng(1).integers(3, 60, size=64)
    tokens = [int(lengths[part_of(np.arange(64), lengths, rank, 4)].sum()) for rank in range(4)]
    assert max(tokens) - min(tokens) <= 2 * lengths.max()


def test_part_is_the_same_whatever_the_order_of_the_batch() -> None:
    """Parts depend on the rows alone, and neighbours in length share one, so little is padded."""
    lengths = np.array([9, 3, 8, 4, 7, 5])
    first = part_of(np.array([0, 1, 2, 3, 4, 5]), lengths, 0, 2)
    assert set(first) == set(part_of(np.array([5, 3, 1, 0, 2, 4]), lengths, 0, 2))
    assert set(lengths[first]) == {3, 4, 5}
