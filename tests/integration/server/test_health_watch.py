"""Health as it changes, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from polyhead.v1 import inference_pb2
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from server.engines.torch_engine import TorchEngine
from server.health_check import is_serving
from server.rpc.health import INFERENCE, NOT_SERVING, SERVING
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.integration.server.waiting import until_serving
from tests.published import publish


async def test_health_watch_tells_the_state_of_now(server: RunningServer) -> None:
    """Load balancers and `wait_until_ready` watch; the library's own handler writes where ours yield."""
    call = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    answer = await call.read()
    call.cancel()
    assert answer.status == SERVING


async def test_health_watch_goes_on_when_another_watcher_leaves_or_does_not_read(server: RunningServer) -> None:
    """Load balancers come and go, and one may hang: the others must still learn that the server drains."""
    stub = health_pb2_grpc.HealthStub(server.channel)
    stays, leaves, hangs = (stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3))
    for call in (stays, leaves):
        assert (await call.read()).status == SERVING
    leaves.cancel()
    await server.application.stop()
    assert (await stays.read()).status == NOT_SERVING
    hangs.cancel()


@pytest.mark.parametrize("service", ["polyhead.v1.InferenceService", "inference.GRPCInferenceService"])
async def test_health_of_inference_through_start_swap_and_drain(
    store: FolderStore, valkey_url: str, tiny_base: Path, service: str
) -> None:
    """Traffic comes when a model can answer, stays through a swap, and goes before the server does."""
    async with running_server(store, valkey_url) as server:
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(service=service))
        found = [(await watch.read()).status]
        for version in (1, 2):
            publish(store, tiny_base, seed=version)
            await until_serving(server.channel, version)
        found.append((await watch.read()).status)
        stopping = asyncio.create_task(server.application.stop())
        with pytest.raises(grpc.aio.AioRpcError):
            while True:
                found.append((await watch.read()).status)
        await stopping
    assert found == [NOT_SERVING, SERVING, NOT_SERVING]


async def test_inference_without_a_living_compute_worker_is_down_and_says_so(
    store: FolderStore, valkey_url: str, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers must not wait for a worker that is gone; jobs are still taken."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_COMPUTE_WORKERS="1") as server:
        await until_serving(server.channel, 1)

        def die(engine: TorchEngine, rows: Sequence[Sequence[int]]) -> NoReturn:
            raise SystemExit("the device is gone")

        monkeypatch.setattr(TorchEngine, "run_blocking", die)
        embed = InferenceServiceStub(server.channel).Embed
        calls = [embed(inference_pb2.EmbedRequest(sentences=[text])) for text in ("the cat", "the dog " * 20)]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        health = health_pb2_grpc.HealthStub(server.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=INFERENCE))
        while (await watch.read()).status == SERVING:
            pass
        watch.cancel()
        with pytest.raises(grpc.aio.AioRpcError, match="no compute worker lives"):
            await embed(inference_pb2.EmbedRequest(sentences=["the cat"]))
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING


async def test_health_check_of_the_container_finds_a_serving_server(server: RunningServer) -> None:
    """A container that serves must not count as unhealthy, whatever address it was told to listen on."""
    port = server.target.rpartition(":")[2]
    for host in ("127.0.0.1", "0.0.0.0"):
        assert await asyncio.to_thread(is_serving, f"{host}:{port}")
