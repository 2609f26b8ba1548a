"""Which neighbours in length share a batch with the sentence whose turn it is. Pure functions.

A batch costs a fixed part plus what it pads. Among all windows around that sentence, in the order of length, the one
with the least (fixed cost + padding) per row wins; as the sentence is always in it, nothing starves.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Fixed cost of a batch, in tokens, by the engine's name. A straight line through the times of 20 batch shapes
#: (all-MiniLM-L6-v2, one thread of a Xeon with AMX, 2026-11): in bfloat16 a token costs a quarter, so the fixed part
#: weighs more.
FIXED_COST_TOKENS = {"torch-float32": 39, "torch-bfloat16": 307}
#: For engines that were not measured; between the two above.
DEFAULT_FIXED_COST_TOKENS = 64


def fixed_cost_tokens(engine_name: str) -> int:
    """The fixed cost of a batch on that engine."""
    return FIXED_COST_TOKENS.get(engine_name, DEFAULT_FIXED_COST_TOKENS)


def best_window(
    lengths: Sequence[int], anchor: int, max_rows: int, max_tokens: int, fixed_cost: int
) -> tuple[int, int]:
    """The half-open window [low, high) of sorted `lengths` that includes index `anchor`.

    It has at most `max_rows` rows, and rows x longest row is at most `max_tokens`, but one row is always taken.
    """
    best = (anchor, anchor + 1)
    best_cost = float(fixed_cost)
    lowest = max(0, anchor - max_rows + 1)
    below = 0  # tokens of rows low..anchor-1
    for low in range(anchor, lowest - 1, -1):
        if low < anchor:
            below += lengths[low]
        tokens = below
        for high in range(anchor + 1, min(len(lengths), low + max_rows) + 1):
            longest = lengths[high - 1]
            tokens += longest
            num_rows = high - low
            if num_rows * longest > max_tokens:
                break
            cost = (fixed_cost + num_rows * longest - tokens) / num_rows
            if cost <= best_cost:
                best, best_cost = (low, high), cost
    return best
