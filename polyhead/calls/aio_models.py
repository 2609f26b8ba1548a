"""Calls of the ModelService, asyncio: what is served, and which versions there are."""

from __future__ import annotations

from functools import cached_property

from polyhead import readers, requests, results
from polyhead.calls.aio_connection import AsyncConnection
from polyhead.v1 import models_pb2, models_pb2_grpc


class AsyncModelCalls(AsyncConnection):
    """The server and its versions."""

    @cached_property
    def _models(self) -> models_pb2_grpc.ModelServiceAsyncStub:
        return models_pb2_grpc.ModelServiceStub(self._channel)

    async def server_info(self, *, timeout_s: float | None = None) -> results.ServerInfo:
        request = models_pb2.GetServerInfoRequest()
        return readers.read_server_info(await self._call(self._models.GetServerInfo, request, timeout_s))

    async def list_versions(self, limit: int = 50, *, timeout_s: float | None = None) -> list[results.Version]:
        """Published versions, newest first."""
        pages = requests.version_pages(limit)
        while not pages.is_full:
            request = models_pb2.ListVersionsRequest(**pages.next_page())
            pages.add(await self._call(self._models.ListVersions, request, timeout_s))
        return [readers.read_version(version) for version in pages.items]
