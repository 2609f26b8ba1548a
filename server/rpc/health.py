"""grpc.health.v1: overall and per service. Starts NOT_SERVING (the library's own start is SERVING) and is flipped."""

from __future__ import annotations

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

INFERENCE = "polyhead.v1.InferenceService"
TRAINING = "polyhead.v1.TrainingService"
MODELS = "polyhead.v1.ModelService"
OVERALL = ""

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self.servicer = aio.HealthServicer()

    async def start(self) -> None:
        """All NOT_SERVING, before the port is open."""
        for service in (OVERALL, INFERENCE, TRAINING, MODELS):
            await self.servicer.set(service, NOT_SERVING)

    async def serve(self, *services: str) -> None:
        for service in services:
            await self.servicer.set(service, SERVING)

    async def fail(self, *services: str) -> None:
        for service in services:
            await self.servicer.set(service, NOT_SERVING)

    async def stop(self) -> None:
        """All NOT_SERVING, for good."""
        await self.servicer.enter_graceful_shutdown()
