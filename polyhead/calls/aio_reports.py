"""The report page of a version, asyncio."""

from __future__ import annotations

from functools import cached_property

from polyhead import arguments
from polyhead.calls.aio_connection import AsyncConnection
from polyhead.v1 import models_pb2, models_pb2_grpc


class AsyncReportCalls(AsyncConnection):
    """What a version's training was like."""

    @cached_property
    def _reports(self) -> models_pb2_grpc.ModelServiceAsyncStub:
        return models_pb2_grpc.ModelServiceStub(self._channel)

    async def get_report(self, version: int, *, timeout_s: float | None = None) -> bytes:
        """The version's report page: one HTML file without anything to load.

        Raises:
            NotFoundError: if there is no such version.
            FailedPreconditionError: if it has no report, or was deleted.
        """
        request = models_pb2.GetReportRequest(version=arguments.number("version", version))
        return (await self._call(self._reports.GetReport, request, timeout_s)).html
