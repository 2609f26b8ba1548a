"""Whether a call can be answered in time, told from its size before anybody reads it.

A call that would spend most of its time in the queue is refused while it has time left to go elsewhere: work that is
queued and then expires costs everybody, and an overload would answer nobody in time. Runs on the event loop.
"""

from __future__ import annotations

from server.batching.scheduler import CHARACTERS_PER_TOKEN, Scheduler
from shared.errors import QueueFullError

#: A call may spend this share of its time waiting; the rest is for computing it and for the way back.
MAX_WAIT_SHARE = 0.8
#: Less room than this, in tokens, and the queue is full without a look at the call: a short sentence has about so many.
MIN_ROOM_TOKENS = 32


class Admission:
    """Counts what it refuses in the scheduler's stats."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def check(self, num_bytes: int, remaining_s: float | None) -> None:
        """`num_bytes` of a message that has not been parsed; `remaining_s` until its caller gives up, None: never.

        Raises:
            QueueFullError: with the wait as the hint of when to try again.
        """
        queue, num_tokens = self._scheduler.queue, num_bytes / CHARACTERS_PER_TOKEN
        if queue.num_free_tokens < min(num_tokens, MIN_ROOM_TOKENS):
            self._scheduler.stats.refused["queue_full"] += 1
            raise QueueFullError("the queue is full", queue.drain_time_s())
        if remaining_s is None:
            return
        wait_s = self.wait_s(num_tokens)
        if wait_s > MAX_WAIT_SHARE * remaining_s:
            self._scheduler.stats.refused["deadline"] += 1
            raise QueueFullError(
                f"the deadline in {remaining_s:.2f} s would not be met: the queue takes {wait_s:.2f} s", wait_s
            )

    def wait_s(self, num_tokens: float) -> float:
        """Estimate of how long so many tokens would wait now; 0 while the speed is not known.

        Requests share the compute (`FairLine`): each of the others gets no more of it than this one has or a batch
        holds, before this one is done. So a large request in the queue does not make a small one wait for all of it.
        """
        queue, stats = self._scheduler.queue, self._scheduler.stats
        if not queue.tokens_per_s:
            return 0.0
        batch_tokens = stats.batch_tokens / max(1, stats.batches)
        ahead = min(queue.num_tokens, queue.num_requests * max(num_tokens, batch_tokens))
        return (ahead + self._scheduler.num_tokenizing / CHARACTERS_PER_TOKEN) / queue.tokens_per_s
