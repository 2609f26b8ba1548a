"""Whose turn it is: requests share the compute by tokens, and none waits longer than the age bound. Pure.

Virtual time (as in weighted fair queueing: Demers, Keshav, Shenker, SIGCOMM 1989) advances by the tokens served divided
by the number of requests that wait; a request enters at the present virtual time and advances by its own served tokens.
The one that is furthest behind is next, so a request of hundreds of sentences gets its share and no more, and a single
sentence that comes later is soon in front of it.

The age bound stands above that: a request of which nothing was served for so long goes first, the one that waited
longest before the others. Not thread-safe: the queue's lock guards it.
"""

from __future__ import annotations

from collections import OrderedDict
from operator import attrgetter

from server.batching.work import Work

_by_virtual_time = attrgetter("virtual_tokens")


class FairLine:
    """Requests that still have waiting rows, ordered by when they were last served."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        # Not a dict: its first key costs time in proportion to the keys removed in front of it.
        self._line: OrderedDict[Work, None] = OrderedDict()
        self._virtual_tokens = 0.0

    def __len__(self) -> int:
        return len(self._line)

    def __contains__(self, work: Work) -> bool:
        return work in self._line

    def add(self, work: Work, now_s: float) -> None:
        work.enqueued_s = work.served_s = now_s
        work.virtual_tokens = self._virtual_tokens
        self._line[work] = None

    def first(self, now_s: float) -> Work:
        """Whose turn it is. The line must not be empty.

        Looks at all requests only while the oldest is under the bound, so at no more than came in within it.
        """
        oldest = next(iter(self._line))
        if now_s - oldest.served_s >= self._max_age_s:
            return oldest
        return min(self._line, key=_by_virtual_time)

    def serve(self, work: Work, num_tokens: int, now_s: float) -> None:
        """Charge `num_tokens` of its rows that a batch took."""
        self._virtual_tokens += num_tokens / len(self._line)
        work.virtual_tokens += num_tokens
        work.served_s = now_s
        self._line.move_to_end(work)

    def remove(self, work: Work) -> None:
        del self._line[work]
