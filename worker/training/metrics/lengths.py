"""Figures by length: a model that fails on long texts hides behind an average of short ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from worker.training.corpus import Indices

#: Upper ends of the slices, in tokens with the special ones; the last slice has none.
EDGES = (16, 32, 64, 128)


def by_length(
    lengths: Indices, figures_of: Callable[[Indices], Mapping[str, Any]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """For each slice that has rows: its tokens as `low-high`, and of `figures_of(its rows)` those called `names`."""
    slices = []
    number_N = np.searchsorted(EDGES, lengths, side="left")
    for number in np.unique(number_N):
        figures = figures_of(np.flatnonzero(number_N == number))
        slices.append({"tokens": _name(int(number)), **{name: figures[name] for name in names}})
    return slices


def _name(number: int) -> str:
    low = EDGES[number - 1] + 1 if number else 1
    return f"{low}-{EDGES[number]}" if number < len(EDGES) else f"{low}+"
