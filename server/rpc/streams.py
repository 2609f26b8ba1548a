"""A stream of requests, answered in their order: read ahead as far as there is room, and no further.

Reading stops (and gRPC's flow control then stops the sender) while the streams' part of the queue is used up, or while
`MAX_IN_FLIGHT` answers wait for the caller to read them. Each message is a request of its own: it has its model
version, and shares batches with all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from server.batching.stream_budget import StreamBudget
from shared.errors import InvalidInputError, PolyheadError, Violation

Request = TypeVar("Request")
Response = TypeVar("Response")

#: Messages of one stream that are read and not yet sent. With one sentence each, that fills the batches of two workers
#: twice over.
MAX_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Response]):
    """A request that was found right: how much of the queue it may need at most, and what answers it."""

    most_tokens: Callable[[], int]
    answer: Callable[[], Coroutine[Any, Any, Response]]


class OrderedStream(Generic[Request, Response]):
    """One stream. `answers` is iterated once; whatever ends it, nothing of the stream is left behind."""

    def __init__(self, prepare: Callable[[Request], Prepared[Response]], budget: StreamBudget) -> None:
        """`prepare` checks a request, and raises if it is wrong."""
        self._prepare = prepare
        self._budget = budget
        self._in_flight: asyncio.Queue[asyncio.Task[Response] | Exception | None] = asyncio.Queue(MAX_IN_FLIGHT)
        self._tasks: set[asyncio.Task[Response]] = set()

    async def answers(self, requests: AsyncIterator[Request]) -> AsyncIterator[Response]:
        """
        Raises:
            PolyheadError: of the first message that failed, naming it, after the answers to those before.
        """
        reader = asyncio.create_task(self._read(requests))
        number = 0
        try:
            while (item := await self._in_flight.get()) is not None:
                try:
                    if isinstance(item, Exception):
                        raise item
                    response = await item
                except PolyheadError as error:
                    raise _named(error, number) from None
                yield response
                number += 1
        finally:
            reader.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(reader, *self._tasks, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                prepared = self._prepare(request)
                num_tokens = await self._budget.acquire(prepared.most_tokens())
                await self._in_flight.put(self._start(prepared, num_tokens))
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are awaited
            await self._in_flight.put(error)
        else:
            await self._in_flight.put(None)

    def _start(self, prepared: Prepared[Response], num_tokens: int) -> asyncio.Task[Response]:
        task = asyncio.create_task(prepared.answer())
        self._tasks.add(task)

        def end(task: asyncio.Task[Response]) -> None:
            self._tasks.discard(task)
            self._budget.release(num_tokens)
            if not task.cancelled():
                task.exception()  # whoever awaits it gets it; a stream that ended earlier has no use for it

        task.add_done_callback(end)
        return task


def _named(error: PolyheadError, number: int) -> PolyheadError:
    """The same error, saying which message of the stream it is about; the first is 0."""
    prefix = f"messages[{number}]"
    if isinstance(error, InvalidInputError):
        violations = tuple(Violation(f"{prefix}.{v.field}", v.description) for v in error.violations)
        return type(error)(f"{prefix}: {error.message}", violations)
    return type(error)(f"{prefix}: {error.message}", *error.args[1:])
