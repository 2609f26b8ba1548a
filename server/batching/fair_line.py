"""Whose turn it is: requests are served in the order in which equal shares of the compute would finish them. Pure.

Fair queueing by packets, a request being a flow (Demers, Keshav, Shenker, SIGCOMM 1989; Parekh and Gallager, IEEE/ACM
Transactions on Networking 1993): virtual time advances by the tokens served divided by the number of requests that
wait; a request's finish is the virtual time at which it came plus its tokens, and the earliest finish is next. None
ends much later than equal shares would let it, and most end earlier, since what was begun is finished before the next:
under an overload, equal shares would carry all requests past their deadlines together.

A request of hundreds of sentences is overtaken by single ones that come later. The age bound keeps that from going on
for ever: the request that came first is served at least once in so long. Not thread-safe: the queue's lock guards it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter

from server.batching.work import Work

#: Smaller requests count as this many tokens (BERT's window), so that single sentences stay in the order of arrival.
MIN_TOKENS = 512

_by_finish = attrgetter("finish", "arrival")


class FairLine:
    """Requests that still have waiting rows."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        # By arrival. Not a dict: its first key costs time in proportion to the keys removed in front of it.
        self._arrived: OrderedDict[Work, None] = OrderedDict()
        self._sorted: list[Work] = []
        self._num_arrivals = 0
        self._virtual_tokens = 0.0
        #: Since when the one that came first is first, or was served.
        self._oldest_waits_since_s = 0.0

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, work: Work) -> bool:
        return work in self._arrived

    def __iter__(self) -> Iterator[Work]:
        return iter(self._sorted)

    def add(self, work: Work, now_s: float) -> None:
        if not self._sorted:
            self._oldest_waits_since_s = now_s
        work.enqueued_s = now_s
        work.arrival = self._num_arrivals
        work.finish = self._virtual_tokens + max(MIN_TOKENS, work.num_tokens)
        self._num_arrivals += 1
        self._arrived[work] = None
        insort(self._sorted, work, key=_by_finish)

    def first(self, now_s: float) -> Work:
        """Whose turn it is. The line must not be empty."""
        if now_s - self._oldest_waits_since_s >= self._max_age_s:
            return next(iter(self._arrived))
        return self._sorted[0]

    def serve(self, work: Work, num_tokens: int, now_s: float) -> None:
        """Count `num_tokens` of its rows that a batch took."""
        self._virtual_tokens += num_tokens / len(self._sorted)
        self._touch(work, now_s)

    def remove(self, work: Work, now_s: float) -> None:
        self._touch(work, now_s)
        del self._arrived[work]
        del self._sorted[bisect_left(self._sorted, _by_finish(work), key=_by_finish)]

    def _touch(self, work: Work, now_s: float) -> None:
        if work is next(iter(self._arrived)):
            self._oldest_waits_since_s = now_s
