"""Figures by length."""

from __future__ import annotations

import numpy as np

from worker.training.metrics.lengths import by_length


def test_slices_hold_every_row_once_and_name_their_bounds() -> None:
    """A length on an edge belongs below it; slices without rows are left out."""
    lengths = np.array([3, 16, 17, 129, 500, 64])
    slices = by_length(lengths, lambda rows: {"rows": len(rows), "sum": int(lengths[rows].sum())}, ("rows", "sum"))
    assert slices == [
        {"tokens": "1-16", "rows": 2, "sum": 19},
        {"tokens": "17-32", "rows": 1, "sum": 17},
        {"tokens": "33-64", "rows": 1, "sum": 64},
        {"tokens": "129+", "rows": 2, "sum": 629},
    ]
