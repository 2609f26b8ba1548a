"""The choice of a batch: around the sentence whose turn it is, within the bounds, never dearer than going alone."""

from __future__ import annotations

import random

import pytest

from server.batching.window import best_window, fixed_cost_tokens

FIXED_COST = 64


def cost(lengths: list[int], low: int, high: int) -> float:
    rows = lengths[low:high]
    return (FIXED_COST + len(rows) * rows[-1] - sum(rows)) / len(rows)


@pytest.mark.parametrize("seed", range(20))
def test_best_window_equals_brute_force(seed: int) -> None:
    """The incremental search finds what trying every window finds."""
    rng = random.Random(seed)
    lengths = sorted(rng.randint(3, 200) for _ in range(rng.randint(1, 40)))
    oldest, max_rows, max_tokens = rng.randrange(len(lengths)), rng.randint(1, 16), rng.choice([64, 512, 4096])
    low, high = best_window(lengths, oldest, max_rows, max_tokens, FIXED_COST)
    allowed = [
        (a, b)
        for a in range(oldest + 1)
        for b in range(oldest + 1, len(lengths) + 1)
        if b - a <= max_rows and ((b - a) * lengths[b - 1] <= max_tokens or b - a == 1)
    ]
    assert (low, high) in allowed
    assert cost(lengths, low, high) == pytest.approx(min(cost(lengths, a, b) for a, b in allowed))


def test_best_window_of_equal_lengths_is_full() -> None:
    """Without padding to lose, a fuller batch is always cheaper a row."""
    low, high = best_window([12] * 40, 20, 16, 4096, FIXED_COST)
    assert high - low == 16


def test_best_window_leaves_far_longer_neighbour_alone() -> None:
    """Padding eight rows of 8 tokens to 250 costs more than a batch of its own."""
    assert best_window([8] * 8 + [250], 0, 16, 4096, FIXED_COST) == (0, 8)


def test_best_window_oversized_row_goes_alone() -> None:
    """A row above the token bound must still be computed."""
    assert best_window([300], 0, 16, 128, FIXED_COST) == (0, 1)


def test_dear_fixed_cost_pads_more() -> None:
    """Where a token is cheap against a batch (bfloat16), it pays to wait for fewer batches with more padding."""
    lengths = [8, 8, 20, 20]
    assert best_window(lengths, 0, 16, 4096, fixed_cost_tokens("torch-bfloat16")) == (0, 4)
    assert best_window(lengths, 0, 16, 4096, 10) == (0, 2)
