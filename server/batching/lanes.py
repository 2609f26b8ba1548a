"""The waiting sentences by engine and length, so that neighbours in length are found without sorting.

Adding and removing a request costs time in proportion to its different lengths. Not thread-safe: the queue's lock
guards it.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterator

from server.batching.work import Work
from server.engines.engine import Engine

#: Requests that wait with rows of one length, and which rows those are.
Bucket = OrderedDict[Work, list[int]]


class Lanes:
    """One lane an engine: works of two engines never meet."""

    def __init__(self) -> None:
        self._lanes: dict[Engine, Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def add(self, work: Work) -> None:
        self._lanes.setdefault(work.engine, Lane()).add(work)

    def remove(self, work: Work) -> int:
        """Remove what still waits of a request; return how many tokens that was."""
        lane = self._lanes[work.engine]
        num_tokens = sum(length * len(indices) for length, indices in work.waiting.items())
        for length in list(work.waiting):
            lane.remove(work, length)
        self._drop_if_empty(work.engine)
        return num_tokens

    def neighbours(self, work: Work, max_rows: int) -> tuple[list[tuple[Work, int]], int]:
        """(request, length) of rows around the longest of `work`, in the order of length; and where that one stands."""
        return self._lanes[work.engine].neighbours(work, max(work.waiting), max_rows)

    def take(self, work: Work, length: int) -> int:
        """Remove one row of that length, and return its index."""
        index = work.waiting[length].pop()
        if not work.waiting[length]:
            self._lanes[work.engine].remove(work, length)
            self._drop_if_empty(work.engine)
        return index

    def _drop_if_empty(self, engine: Engine) -> None:
        # A lane that stayed would keep a replaced model in memory.
        if not self._lanes[engine].lengths:
            del self._lanes[engine]


class Lane:
    """Buckets of equal length."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self._buckets: dict[int, Bucket] = {}

    def add(self, work: Work) -> None:
        for length, indices in work.waiting.items():
            if length not in self._buckets:
                self._buckets[length] = OrderedDict()
                bisect.insort(self.lengths, length)
            self._buckets[length][work] = indices

    def remove(self, work: Work, length: int) -> None:
        del work.waiting[length]
        bucket = self._buckets[length]
        del bucket[work]
        if not bucket:
            del self._buckets[length]
            self.lengths.remove(length)

    def neighbours(self, work: Work, length: int, max_rows: int) -> tuple[list[tuple[Work, int]], int]:
        position = bisect.bisect_left(self.lengths, length)
        below = self._rows(reversed(self.lengths[:position]), max_rows - 1)
        same = self._rows([length], max_rows)
        if (work, length) in same:
            same.remove((work, length))
        above = self._rows(self.lengths[position + 1 :], max_rows - 1)
        rows = [*reversed(below), (work, length), *same[: max_rows - 1], *above]
        return rows, len(below)

    def _rows(self, lengths: list[int] | Iterator[int], limit: int) -> list[tuple[Work, int]]:
        rows: list[tuple[Work, int]] = []
        for length in lengths:
            if len(rows) >= limit:
                break
            rows += [(work, length) for work in _in_turn(self._buckets[length], limit - len(rows))]
        return rows


def _in_turn(bucket: Bucket, limit: int) -> list[Work]:
    """One row of each request, then a second of each, and so on: a large request must not fill all the room."""
    picked: list[Work] = []
    depth = 0
    while len(picked) < limit:
        before = len(picked)
        for work, indices in bucket.items():
            if len(indices) > depth:
                picked.append(work)
                if len(picked) == limit:
                    break
        if len(picked) == before:
            break
        depth += 1
    return picked
