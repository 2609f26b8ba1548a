"""`python -m benchmarks.serving.fifo_server`: our server, but batches are first in, first out, with the same budget.

What most servers do. The queue's choice is replaced, everything else is the server as it is.
"""

from __future__ import annotations

import sys

from server.__main__ import main
from server.batching import scheduler
from server.batching.queue import BatchQueue
from server.batching.work import Entry, EntryBatch, Work


class FifoQueue(BatchQueue):
    """Takes the sentences in the order in which they came, until rows or tokens are at their bound."""

    def _form(self, expired: list[Work]) -> EntryBatch | None:
        now_s, longest = self._clock(), 0
        entries: list[Entry] = []
        while self._line and len(entries) < self.limits.max_rows:
            oldest = self._line.first(now_s=float("inf"))
            length = max(oldest.waiting)
            longest = max(longest, length)
            if entries and longest * (len(entries) + 1) > self.limits.max_batch_tokens:
                break
            entries.append(self._take(oldest, length, now_s))
        if not entries:
            return None
        batch = EntryBatch.of(entries[0].work.engine, entries, self.limits.is_deduplicated, now_s)
        self._record(batch)
        return batch


if __name__ == "__main__":
    setattr(scheduler, "BatchQueue", FifoQueue)  # noqa: B010 - a replaced class, which a type checker rightly minds
    sys.exit(main())
