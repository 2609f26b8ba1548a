"""Whether a call can be answered in time, told from its size before anybody reads it.

A call that would spend most of its time in the queue is refused while it has time left to go elsewhere: work that is
queued and then expires costs everybody, and an overload would answer nobody in time. Runs on the event loop.
"""

from __future__ import annotations

from server.batching.scheduler import CHARACTERS_PER_TOKEN, Scheduler
from shared.errors import QueueFullError

#: Less room than this, in tokens, and the queue is full without a look at the call: a short sentence has about so many.
MIN_ROOM_TOKENS = 32
#: Of its time that an answer may take: less than the queue's own bound, so that few are refused after tokenizing.
SHARE_OF_TIME = 0.8


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
        num_before = self._scheduler.num_tokenizing_characters / CHARACTERS_PER_TOKEN
        # What is refused here costs least: so a little sooner than where the tokens are known.
        queue.check_time(MIN_ROOM_TOKENS, remaining_s, num_before, SHARE_OF_TIME)
