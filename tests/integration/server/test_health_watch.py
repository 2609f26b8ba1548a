"""Health as it changes, over a real socket."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.health_check import is_serving
from tests.conftest import RunningServer


async def test_health_watch_tells_the_state_of_now(server: RunningServer) -> None:
    """Load balancers and `wait_until_ready` watch; the library's own handler writes where ours yield."""
    call = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    answer = await call.read()
    call.cancel()
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_watch_goes_on_when_another_watcher_leaves_or_does_not_read(server: RunningServer) -> None:
    """Load balancers come and go, and one may hang: the others must still learn that the server drains."""
    stub = health_pb2_grpc.HealthStub(server.channel)
    stays, leaves, hangs = (stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3))
    for call in (stays, leaves):
        assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVING
    leaves.cancel()
    await server.application.stop()
    assert (await stays.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    hangs.cancel()


async def test_health_check_of_the_container_finds_a_serving_server(server: RunningServer) -> None:
    """A container that serves must not count as unhealthy, whatever address it was told to listen on."""
    port = server.target.rpartition(":")[2]
    for host in ("127.0.0.1", "0.0.0.0"):
        assert await asyncio.to_thread(is_serving, f"{host}:{port}")
