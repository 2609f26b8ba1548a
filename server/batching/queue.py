"""The queue that requests enter on the event loop and compute workers take batches from.

Thread-safe: one lock, held for microseconds. Bounded in tokens: what is over the bound is refused, not parked.
Requests that nobody waits for any more leave at once, with all their waiting sentences.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from server.batching.candidates import candidates
from server.batching.fair_line import MIN_TOKENS, FairLine
from server.batching.speed import SpeedMeter
from server.batching.stats import BatchingStats
from server.batching.window import best_window, fixed_cost_tokens
from server.batching.work import Entry, EntryBatch, Work
from shared.errors import DrainingError, InvalidInputError, QueueFullError, UnavailableError, Violation

#: Hints of when to try again are between these; the first is a few batches, the last keeps clients from giving up.
MIN_RETRY_S, MAX_RETRY_S = 0.05, 30.0
#: A request is taken in if it would be answered within this share of its time: what is told of both is an estimate.
MAX_SHARE_OF_TIME = 0.9
#: While the speed is not known yet.
UNKNOWN_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Bounds of the queue and of a batch."""

    max_rows: int
    max_batch_tokens: int
    max_queue_tokens: int
    max_age_s: float = 0.1
    #: Compute sentences with the same token ids once a batch.
    is_deduplicated: bool = True


class BatchQueue:
    """Who is next (`FairLine`), and how fast it goes (`SpeedMeter`), behind one lock."""

    def __init__(
        self,
        limits: BatchLimits,
        on_expired: Callable[[Work], None],
        stats: BatchingStats,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_expired` is called from a compute thread, once for each request that it dropped as expired."""
        self.limits = limits
        self._on_expired = on_expired
        self._stats = stats
        self._clock = clock
        self._line = FairLine(limits.max_age_s)
        self._speed = SpeedMeter()
        self._num_tokens = 0
        self._num_computing_tokens = 0
        self._num_bounded_tokens = 0
        self._num_reserved_tokens = 0
        self._is_closed = False
        self._refusal: UnavailableError = DrainingError("the server is draining; try another one")
        self._changed = threading.Condition()

    @property
    def num_tokens(self) -> int:
        """Tokens that wait now."""
        return self._num_tokens

    @property
    def num_requests(self) -> int:
        """Requests of which something waits now."""
        return len(self._line)

    @property
    def tokens_per_s(self) -> float:
        """Measured speed of all compute workers together; 0 while it is not known."""
        return self._speed.tokens_per_s

    @property
    def num_free_tokens(self) -> int:
        """Room for unary calls. Reserved room is not free, whether or not something waits in it."""
        return self.limits.max_queue_tokens - self._num_bounded_tokens - self._num_reserved_tokens

    def reserve(self, num_tokens: int) -> None:
        """Set `num_tokens` aside (negative: give them back) for works that are marked `is_reserved`."""
        with self._changed:
            self._num_reserved_tokens += num_tokens

    def put(self, work: Work) -> None:
        """Queue all sentences of a request, or none.

        Raises:
            QueueFullError: if they do not fit; with the time the queue needs to drain as a hint.
            InvalidInputError: if they would not fit into an empty queue either.
            UnavailableError: if the queue is closed; DrainingError if that is because the server ends.
        """
        with self._changed:
            self._check_room(work)
            if work.deadline_s is not None and not work.is_reserved:
                self.check_time(work.num_tokens, work.deadline_s - self._clock())
            self._line.add(work, self._clock())
            self._count(work, work.num_tokens)
            self._stats.requests += 1
            self._stats.sentences += len(work.rows)
            self._changed.notify(len(work.rows))

    def discard(self, work: Work, reason: str) -> None:
        """Remove what still waits of a request, if anything does."""
        with self._changed:
            if work in self._line:
                self._evict(work, reason)

    def take_blocking(self) -> EntryBatch | None:
        """Wait for work and form a batch around the sentence whose turn it is; None when closed and empty."""
        while True:
            expired: list[Work] = []
            with self._changed:
                if not self._line and not self._is_closed:
                    self._speed.pause()
                    self._changed.wait_for(lambda: self._line or self._is_closed)
                batch = self._form(expired)
                is_done = self._is_closed and not self._line
            for work in expired:
                self._on_expired(work)
            if batch is not None:
                return batch
            if is_done:
                return None

    def close(self) -> None:
        """Refuse new work; compute workers finish what is queued and then end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def abort(self, error: UnavailableError) -> list[Work]:
        """Close it because nobody computes any more; new work is refused with `error`. Returns what waited."""
        with self._changed:
            self._is_closed, self._refusal = True, error
            waiting = []
            while self._line:
                waiting.append(self._line.first(self._clock()))
                self._evict(waiting[-1], "failed")
            self._changed.notify_all()
        return waiting

    def drain_time_s(self) -> float:
        """When to try again: the time that what waits now will take."""
        if not self._speed.tokens_per_s:
            return UNKNOWN_RETRY_S
        return min(MAX_RETRY_S, max(MIN_RETRY_S, self._num_tokens / self._speed.tokens_per_s))

    def check_time(
        self, num_tokens: float, remaining_s: float, num_before: float = 0, share: float = MAX_SHARE_OF_TIME
    ) -> None:
        """Whether `num_tokens` more would be computed in time. Nobody is refused while nothing waits.

        `num_before`: tokens that are on their way to the queue. `share`: of the time, that an answer may take.

        What comes before them: no more of any other request than of this one (`FairLine`), so a large request in the
        queue does not make a small one wait for all of it.

        Raises:
            QueueFullError: with the time until they would be as the hint of when to try again.
        """
        if not self._num_tokens or not self._speed.tokens_per_s:
            return
        ahead = min(self._num_tokens, len(self._line) * max(num_tokens, MIN_TOKENS))
        tokens = ahead + num_before + self._num_computing_tokens + num_tokens
        time_s = tokens / self._speed.tokens_per_s + self._speed.batch_s
        if time_s > share * remaining_s:
            self._stats.refused["deadline"] += 1
            raise QueueFullError(
                f"the deadline in {remaining_s:.2f} s would not be met: an answer takes {time_s:.2f} s now", time_s
            )

    def finished(self, batch: EntryBatch) -> None:
        """Its compute worker is free again."""
        with self._changed:
            self._num_computing_tokens -= batch.num_tokens
            self._speed.finished(self._clock() - batch.taken_s)

    def _check_room(self, work: Work) -> None:
        if self._is_closed:
            self._stats.refused["draining"] += 1
            # A new one each time: an exception that is raised again keeps the frames of all its raises.
            raise type(self._refusal)(*self._refusal.args)
        bound = self.limits.max_queue_tokens
        if work.num_tokens > bound:
            hint = f"has {work.num_tokens} tokens, the whole queue holds {bound}; send fewer at once"
            raise InvalidInputError(f"sentences {hint}", (Violation("sentences", hint),))
        if not work.is_reserved and work.num_tokens > self.num_free_tokens:
            self._stats.refused["queue_full"] += 1
            raise QueueFullError(
                f"the queue is full: {bound - self.num_free_tokens} of {bound} tokens wait or are reserved, "
                f"this request has {work.num_tokens}",
                self.drain_time_s(),
            )

    def _count(self, work: Work, num_tokens: int) -> None:
        self._num_tokens += num_tokens
        if not work.is_reserved:
            self._num_bounded_tokens += num_tokens

    def _evict(self, work: Work, reason: str) -> None:
        self._count(work, -work.num_waiting_tokens)
        self._line.remove(work, self._clock())
        self._stats.evicted[reason] += 1

    def _form(self, expired: list[Work]) -> EntryBatch | None:
        limits, now_s = self.limits, self._clock()
        while self._line:
            first = self._line.first(now_s)
            rows, anchor = candidates(self._line, first, limits.max_rows)
            late = {work for work, _ in rows if work.is_expired(now_s)}
            if self._is_hopeless(first, now_s):
                late.add(first)
            if late:
                for work in late:
                    self._evict(work, "deadline")
                expired += late
                continue
            lengths = [length for _, length in rows]
            fixed_cost = fixed_cost_tokens(first.engine.name)
            low, high = best_window(lengths, anchor, limits.max_rows, limits.max_batch_tokens, fixed_cost)
            entries = [self._take(work, length, now_s) for work, length in rows[low:high]]
            batch = EntryBatch.of(first.engine, entries, limits.is_deduplicated, now_s)
            self._record(batch)
            return batch
        return None

    def _is_hopeless(self, work: Work, now_s: float) -> bool:
        """Whether to begin with it would be for nothing: it alone would take all compute beyond its deadline.

        Asked only while others wait: what runs in its place keeps the measured speed true.
        """
        if work.deadline_s is None or work.num_waiting_tokens < work.num_tokens or len(self._line) == 1:
            return False
        needed_s = max(work.num_tokens / (self._speed.tokens_per_s or math.inf), self._speed.batch_s)
        return now_s + needed_s > work.deadline_s

    def _record(self, batch: EntryBatch) -> None:
        self._speed.take(batch.num_tokens, batch.taken_s)
        self._num_computing_tokens += batch.num_tokens
        self._stats.batches += 1
        self._stats.batch_tokens += batch.num_tokens

    def _take(self, work: Work, length: int, now_s: float) -> Entry:
        index = work.take(length)
        self._count(work, -length)
        self._line.serve(work, length, now_s)
        if not work.waiting:
            self._line.remove(work, now_s)
        return Entry(work, index)
