"""Hands an iterable's sentences to grpc.aio as requests, no more than there is room for; on the client's event loop.

A feed never raises there, where gRPC would only log it: what the iterable raises is kept for the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Generic, Self

from polyhead.streams.batches import WINDOW, Batches, M, not_sentences


class AsyncFeed(Generic[M]):
    """The requests of one stream, for one reader."""

    def __init__(self, sentences: Iterable[object] | AsyncIterable[object], batches: Batches[M]) -> None:
        """
        Raises:
            InvalidArgumentError: if `sentences` is no iterable of texts.
        """
        if not isinstance(sentences, Iterable | AsyncIterable) or isinstance(sentences, bytes):
            raise not_sentences(sentences)
        self._sentences = aiter(sentences) if isinstance(sentences, AsyncIterable) else _aiter(sentences)
        self.batches = batches
        self._room = asyncio.Semaphore(WINDOW)
        self._is_over = False
        #: What the iterable raised; the sentences before it are sent.
        self.failure: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M:
        await self._room.acquire()
        if not self._is_over:
            await self._fill()
        request = self.batches.take()
        if request is None:
            raise StopAsyncIteration
        return request

    def answered(self) -> None:
        """One answer was read: there is room for one more request."""
        self._room.release()

    def stop(self) -> None:
        """Read nothing more, also if the reader waits for room just now."""
        self._is_over = True
        self._room.release()

    async def _fill(self) -> None:
        try:
            while not (self.batches.is_full or self._is_over):
                self.batches.add(await anext(self._sentences))
        except StopAsyncIteration:
            self._is_over = True
        except Exception as error:  # noqa: BLE001 - raised to the caller, after the answers to what came before
            self.failure = error
            self._is_over = True


class _Plain(AsyncIterator[object]):
    """A plain iterable, read on the loop."""

    def __init__(self, sentences: Iterable[object]) -> None:
        self._sentences = iter(sentences)

    async def __anext__(self) -> object:
        try:
            return next(self._sentences)
        except StopIteration:
            raise StopAsyncIteration from None


def _aiter(sentences: Iterable[object]) -> AsyncIterator[object]:
    return _Plain([sentences] if isinstance(sentences, str) else sentences)
