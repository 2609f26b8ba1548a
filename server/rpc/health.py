"""grpc.health.v1: overall and per service, by one servicer of our own on the event loop.

The library's aio servicer (grpcio-health-checking 1.81) is not used: a watcher that leaves takes the news away from the
others of its service, one that does not read holds the lock that every change needs, and it starts as SERVING.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.errors import DrainingError, NotFoundError

INFERENCE = "polyhead.v1.InferenceService"
OPEN_INFERENCE = "inference.GRPCInferenceService"
TRAINING = "polyhead.v1.TrainingService"
MODELS = "polyhead.v1.ModelService"
OVERALL = ""
#: What needs a model and the compute workers.
COMPUTING = (INFERENCE, OPEN_INFERENCE)
#: What works as soon as the port is open.
ACCEPTING = (OVERALL, TRAINING, MODELS)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

Context = grpc.aio.ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Starts with everything NOT_SERVING. Used on the event loop only."""

    def __init__(self) -> None:
        self._statuses = dict.fromkeys((*ACCEPTING, *COMPUTING), NOT_SERVING)
        self._failed: set[str] = set()
        self._is_draining = False
        self._is_closed = False
        self._changed = asyncio.Event()

    def is_serving(self, service: str) -> bool:
        return bool(self._statuses[service] == SERVING)

    def serve(self, *services: str) -> None:
        """SERVING, unless the service has failed or the server drains: neither is taken back."""
        if not self._is_draining:
            self._set(SERVING, {*services} - self._failed)

    def fail(self, *services: str) -> None:
        """NOT_SERVING until the process ends."""
        self._failed.update(services)
        self._set(NOT_SERVING, services)

    def drain(self) -> None:
        """All NOT_SERVING, for good. Watchers are told."""
        self._is_draining = True
        self._set(NOT_SERVING, list(self._statuses))

    def close(self) -> None:
        """End the watches."""
        self._is_closed = True
        self._wake()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        if request.service not in self._statuses:
            names = ", ".join(name or "'' (overall)" for name in self._statuses)
            raise NotFoundError(f"no service {request.service!r}; there are {names}")
        return health_pb2.HealthCheckResponse(status=self._statuses[request.service])

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status of now, then each change; a watcher that reads slowly sees the newest, not each."""
        told = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, SERVICE_UNKNOWN)
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
                told = status
            elif self._is_closed:  # and everything is told
                break
            else:
                await changed.wait()
        raise DrainingError("the server has drained; try another one")

    def _set(self, status: int, services: Iterable[str]) -> None:
        self._statuses.update(dict.fromkeys(services, status))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
