"""The calls that run now, and how each kind of them ends when the server drains. Used on the event loop only.

A unary call is answered. A watch, which has no end of its own, ends at once. A stream of requests is read no further:
what was read is answered, then it ends too. Both say UNAVAILABLE with a pause, so that a client goes elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

from shared.errors import DrainingError


class RunningCalls:
    """Counts calls in and out. `drain` is for good."""

    def __init__(self) -> None:
        self._num_running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = asyncio.Event()
        self._watches: dict[asyncio.Task[Any], Watch] = {}

    @property
    def num_running(self) -> int:
        return self._num_running

    @property
    def is_draining(self) -> bool:
        return self._draining.is_set()

    def begin(self) -> None:
        """
        Raises:
            DrainingError: if the server takes no more calls.
        """
        if self.is_draining:
            raise draining()
        self._num_running += 1
        self._idle.clear()

    def end(self) -> None:
        self._num_running -= 1
        if self._num_running == 0:
            self._idle.set()

    def drain(self) -> None:
        """No new calls; watches and streams of requests come to their end."""
        self._draining.set()
        for watch in list(self._watches.values()):
            watch.interrupt()

    async def until_idle(self) -> None:
        """Wait until no call runs."""
        await self._idle.wait()

    def watched(self, responses: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """The same responses, ended by a drain."""
        return Watch(self, self._watches).pass_on(responses)

    def requests(self, requests: AsyncIterator[Any]) -> Requests:
        """The same requests, ended by a drain."""
        return Requests(requests, self._draining)


class Watch:
    """One stream of responses. Interrupted where it waits for the next one, never in the middle of sending."""

    def __init__(self, calls: RunningCalls, watches: dict[asyncio.Task[Any], Watch]) -> None:
        self._calls = calls
        self._watches = watches
        self._task: asyncio.Task[Any] | None = None
        self._is_waiting = False
        self._is_interrupted = False

    async def pass_on(self, responses: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """
        Raises:
            DrainingError: when the server drains.
        """
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._watches[task] = self
        try:
            while not self._calls.is_draining:
                self._is_waiting = True
                try:
                    response = await anext(responses)
                except StopAsyncIteration:
                    return
                finally:
                    self._is_waiting = False
                yield response
        except asyncio.CancelledError:
            if not self._is_interrupted or task.uncancel() > 0:  # the client has cancelled it, or has as well
                raise
        finally:
            del self._watches[task]
            if isinstance(responses, AsyncGenerator):
                await responses.aclose()
        raise draining()

    def interrupt(self) -> None:
        if self._is_waiting and self._task is not None:
            self._is_interrupted = True
            self._task.cancel()


class Requests:
    """An iterator over the requests of one stream that ends early when the server drains."""

    def __init__(self, requests: AsyncIterator[Any], drained: asyncio.Event) -> None:
        self._requests = requests
        self._drained = drained
        self._ending: asyncio.Task[Any] | None = None
        #: The stream did not end by itself.
        self.is_cut = False

    def __aiter__(self) -> Requests:
        return self

    async def __anext__(self) -> Any:
        if self._drained.is_set():  # however many the client has sent already
            self.is_cut = True
            raise StopAsyncIteration
        if self._ending is None:
            self._ending = asyncio.create_task(self._drained.wait())
        reading = asyncio.ensure_future(anext(self._requests))
        try:
            await asyncio.wait((reading, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
        finally:
            if not reading.done():
                reading.cancel()
        self.is_cut = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave no task behind."""
        if self._ending is not None:
            self._ending.cancel()
            with suppress(asyncio.CancelledError):
                await self._ending


def draining() -> DrainingError:
    return DrainingError("the server is draining; try another one")
