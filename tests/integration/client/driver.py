"""Drives the sync and the async client with the same words, so that each test runs against both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

from polyhead import AsyncClient, Client


class SyncDriver:
    """Calls the sync client."""

    def __init__(self, target: str, **options: Any) -> None:
        self._client = Client(target, **options)

    def __call__(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        answer = getattr(self._client, method)(*arguments, **keywords)
        return list(answer) if isinstance(answer, Iterator) else answer

    def first(self, method: str, *arguments: Any) -> Any:
        """The first item of a stream that is then dropped."""
        stream = getattr(self._client, method)(*arguments)
        item = next(stream)
        stream.close()
        return item

    def close(self) -> None:
        self._client.close()


class AsyncDriver:
    """Calls the async client on a loop of its own."""

    def __init__(self, target: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._make(target, options))

    def __call__(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        return self._runner.run(self._run(method, arguments, keywords))

    def first(self, method: str, *arguments: Any) -> Any:
        return self._runner.run(self._first(method, arguments))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    async def _make(self, target: str, options: dict[str, Any]) -> AsyncClient:
        return AsyncClient(target, **options)

    async def _run(self, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        answer = getattr(self._client, method)(*arguments, **keywords)
        if isinstance(answer, AsyncIterator):
            return [item async for item in answer]
        return await answer if inspect.isawaitable(answer) else answer

    async def _first(self, method: str, arguments: tuple[Any, ...]) -> Any:
        stream = getattr(self._client, method)(*arguments)
        item = await anext(stream)
        await stream.aclose()
        return item
