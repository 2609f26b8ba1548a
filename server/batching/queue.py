"""The queue that requests enter on the event loop and compute workers take batches from.

Thread-safe: one lock, held for microseconds. Bounded in tokens: what is over the bound is refused, not parked.
Abandoned and expired sentences are dropped when a batch is formed, so they cost no compute.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque
from collections.abc import Callable

from server.batching.window import best_window
from server.batching.work import Entry, EntryBatch, Work
from server.engines.engine import Engine
from shared.errors import InvalidInputError, QueueFullError, UnavailableError, Violation


class BatchQueue:
    """Lanes of entries sorted by length, one lane per engine, and one order of age over all."""

    def __init__(
        self, max_rows: int, max_batch_tokens: int, max_queue_tokens: int, on_expired: Callable[[Work], None]
    ) -> None:
        """`on_expired` is called from a compute thread, once for each sentence that it dropped as expired."""
        self._max_rows = max_rows
        self._max_batch_tokens = max_batch_tokens
        self._max_queue_tokens = max_queue_tokens
        self._on_expired = on_expired
        self._lanes: dict[Engine, list[Entry]] = {}
        self._ages: deque[Entry] = deque()
        self._num_tokens = 0
        self._num_orders = 0
        self._tokens_per_s = 0.0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def num_tokens(self) -> int:
        """Tokens that wait now."""
        return self._num_tokens

    def put(self, work: Work) -> None:
        """Queue all sentences of a request, or none.

        Raises:
            QueueFullError: if they do not fit; with the time the queue needs to drain as a hint.
            InvalidInputError: if they would not fit into an empty queue either.
            UnavailableError: if the queue is closed.
        """
        num_tokens = work.num_tokens
        with self._changed:
            self._check_room(num_tokens)
            lane = self._lanes.setdefault(work.engine, [])
            for index, row in enumerate(work.rows):
                self._num_orders += 1
                entry = Entry(work, index, len(row), self._num_orders)
                bisect.insort(lane, entry, key=_by_length)
                self._ages.append(entry)
            self._num_tokens += num_tokens
            self._changed.notify(len(work.rows))

    def take_blocking(self) -> EntryBatch | None:
        """Wait for work and form a batch around the oldest sentence; None when the queue is closed and empty."""
        while True:
            expired: list[Work] = []
            with self._changed:
                self._changed.wait_for(lambda: self._ages or self._is_closed)
                batch = self._form(expired)
                is_done = self._is_closed and not self._ages
            for work in expired:
                self._on_expired(work)
            if batch is not None:
                return batch
            if is_done:
                return None

    def record_speed(self, num_tokens: int, seconds: float) -> None:
        """Tell how fast a batch was computed: the retry hint of a full queue is made of it."""
        speed = num_tokens / max(seconds, 1e-6)
        self._tokens_per_s = speed if self._tokens_per_s == 0.0 else 0.9 * self._tokens_per_s + 0.1 * speed

    def close(self) -> None:
        """Refuse new work; compute workers finish what is queued and then end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _check_room(self, num_tokens: int) -> None:
        if self._is_closed:
            raise UnavailableError("the server is draining; try another one")
        if num_tokens > self._max_queue_tokens:
            hint = f"has {num_tokens} tokens, the whole queue holds {self._max_queue_tokens}; send fewer at once"
            raise InvalidInputError(f"sentences {hint}", (Violation("sentences", hint),))
        if self._num_tokens + num_tokens > self._max_queue_tokens:
            raise QueueFullError(
                f"the queue is full: {self._num_tokens} of {self._max_queue_tokens} tokens wait, "
                f"this request has {num_tokens}",
                self._drain_time_s(),
            )

    def _form(self, expired: list[Work]) -> EntryBatch | None:
        now_s = time.monotonic()
        while self._ages:
            oldest = self._ages.popleft()
            if oldest.taken:
                continue
            lane = self._lanes[oldest.work.engine]
            position = bisect.bisect_left(lane, _by_length(oldest), key=_by_length)
            if not self._is_wanted(oldest, now_s, expired):
                self._remove(lane, position, position + 1)
                continue
            # The window's arithmetic needs lengths near the oldest only.
            first = max(0, position - self._max_rows)
            lengths = [entry.length for entry in lane[first : position + self._max_rows]]
            low, high = best_window(lengths, position - first, self._max_rows, self._max_batch_tokens)
            taken = self._remove(lane, first + low, first + high)
            return EntryBatch(
                oldest.work.engine,
                [entry for entry in taken if entry is oldest or self._is_wanted(entry, now_s, expired)],
            )
        return None

    def _remove(self, lane: list[Entry], low: int, high: int) -> list[Entry]:
        entries = lane[low:high]
        del lane[low:high]
        for entry in entries:
            entry.taken = True
            self._num_tokens -= entry.length
        if not lane:
            del self._lanes[entries[0].work.engine]
        return entries

    @staticmethod
    def _is_wanted(entry: Entry, now_s: float, expired: list[Work]) -> bool:
        if entry.work.abandoned:
            return False
        if entry.work.deadline_s is not None and entry.work.deadline_s <= now_s:
            entry.work.abandoned = True
            expired.append(entry.work)
            return False
        return True

    def _drain_time_s(self) -> float:
        return min(30.0, max(0.05, self._num_tokens / self._tokens_per_s)) if self._tokens_per_s else 1.0


def _by_length(entry: Entry) -> tuple[int, int]:
    return entry.length, entry.order
