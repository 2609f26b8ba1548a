"""The waiting sentences among which a batch finds its neighbours in length: those of the next requests in line. Pure.

Not of all requests: a batch that takes a sentence of each finishes none of them, and under an overload all end late.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.batching.work import Work

#: Look so many batches ahead: far enough for close neighbours in length, near enough that requests end one by one.
BATCHES_AHEAD = 8


def candidates(line: Iterable[Work], first: Work, max_rows: int) -> tuple[list[tuple[Work, int]], int]:
    """(request, length) of the waiting rows of `first` and those next in `line`, for batches of `max_rows`.

    In the order of length, and where the longest row of `first` stands. All are for the engine of `first`.
    """
    rows = [(work, length) for work in _next(line, first, BATCHES_AHEAD * max_rows) for length in work.lengths()]
    rows.sort(key=_length)
    return rows, rows.index((first, max(first.waiting)))


def _next(line: Iterable[Work], first: Work, num_rows: int) -> list[Work]:
    works, num_found = [first], len(first.rows)  # computed ones too: it bounds the look ahead all the same
    for work in line:
        if num_found >= num_rows:
            break
        if work.engine is first.engine and work is not first:
            works.append(work)
            num_found += len(work.rows)
    return works


def _length(row: tuple[Work, int]) -> int:
    return row[1]
