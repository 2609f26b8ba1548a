"""Whether a client is open, and what its calls say when it is closed before or meanwhile. Both connections have one.

gRPC itself says it in many ways: ValueError, UsageError, CANCELLED, or asyncio's CancelledError in a task that nobody
cancelled. Thread-safe: `end` may come from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from polyhead.errors import CallCancelledError
from polyhead.statuses import translated
from polyhead.timeouts import grpc_timeout

_CANCELLED = grpc.StatusCode.CANCELLED.name


class Lifetime:
    """From the making of a client to its `close()`."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._closed = threading.Event()

    @property
    def is_over(self) -> bool:
        return self._closed.is_set()

    def end(self) -> None:
        """Before the channel is closed, so that calls which that cuts off know why."""
        self._closed.set()

    def pause(self, seconds: float) -> None:
        """Sleep, at most until the end."""
        self._closed.wait(seconds)

    def check(self) -> None:
        """
        Raises:
            CallCancelledError: if the client is closed.
        """
        if self.is_over:
            raise CallCancelledError(f"the client of {self._target} is closed; make a new one", _CANCELLED)

    @contextmanager
    def call(self, timeout_s: float | None = None, started_s: float | None = None) -> Iterator[None]:
        """Around each call, plain or awaited: turns gRPC's errors into ours; arguments as for `translated`.

        Raises:
            CallCancelledError: also if the client is closed, or was before the call ended.
        """
        self.check()
        try:
            with translated(self._target, timeout_s, started_s):
                yield
        except (CallCancelledError, ValueError, grpc.aio.UsageError) as error:
            if not self.is_over:
                raise
            raise self._cut() from error
        except asyncio.CancelledError as error:
            if not self.is_over or _is_being_cancelled():
                raise
            raise self._cut() from error

    @contextmanager
    def stream(
        self, method: Callable[..., Any], request: object, timeout_s: float | None, **options: Any
    ) -> Iterator[Any]:
        """A call whose responses are iterated over; cancelled when left."""
        with self.call(timeout_s):
            call = method(request, timeout=grpc_timeout(timeout_s), **options)
            try:
                yield call
            finally:
                call.cancel()

    def _cut(self) -> CallCancelledError:
        return CallCancelledError(
            f"the client of {self._target} was closed before the call ended; make a new one", _CANCELLED
        )


def _is_being_cancelled() -> bool:
    """Whether somebody cancelled the task that runs."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
