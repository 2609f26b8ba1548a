"""The part of the queue that streams share. A stream waits for room in it, and reads no further meanwhile.

So a client that sends a million sentences is slowed down rather than refused, and leaves unary calls most of the queue.
Lives on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque

from server.batching.queue import BatchQueue

#: Streams together get at most this part of the queue.
STREAM_SHARE = 0.25


class StreamBudget:
    """First come, first served. A message that is larger than the whole budget goes when nothing else of it is used."""

    def __init__(self, queue: BatchQueue) -> None:
        self._queue = queue
        self.max_tokens = int(queue.limits.max_queue_tokens * STREAM_SHARE)
        self._num_tokens = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def num_tokens(self) -> int:
        """Tokens that are set aside now."""
        return self._num_tokens

    async def acquire(self, num_tokens: int) -> int:
        """Wait for room. Give what is returned back to `release`."""
        num_tokens = min(num_tokens, self.max_tokens)
        if not self._waiters and self._fits(num_tokens):
            self._add(num_tokens)
            return num_tokens
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((num_tokens, waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._wake()
            else:  # the room was granted in the same turn
                self.release(num_tokens)
            raise
        return num_tokens

    def release(self, num_tokens: int) -> None:
        self._add(-num_tokens)
        self._wake()

    def _fits(self, num_tokens: int) -> bool:
        return self._num_tokens + num_tokens <= self.max_tokens

    def _add(self, num_tokens: int) -> None:
        self._num_tokens += num_tokens
        self._queue.reserve(num_tokens)

    def _wake(self) -> None:
        """Those of streams that have ended are passed over when their turn comes, and nowhere else."""
        while self._waiters:
            num_tokens, waiter = self._waiters[0]
            if not waiter.cancelled():
                if not self._fits(num_tokens):
                    return
                self._add(num_tokens)
                waiter.set_result(None)
            self._waiters.popleft()
