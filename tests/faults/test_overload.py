"""Several times more work than can be done, all of it with deadlines."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.store.folder import FolderStore
from tests.conftest import running_server
from tests.integration.server.waiting import until, until_serving
from tests.published import publish

Code = grpc.StatusCode
NUM_CALLS = 300


async def ask(stub: InferenceServiceStub, rng: random.Random, timeout_s: float) -> grpc.StatusCode:
    words = [f"{'the cat ' * 20}{rng.random()}" for _ in range(50)]
    try:
        await stub.Embed(pb.EmbedRequest(sentences=words), timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        if error.code() is Code.RESOURCE_EXHAUSTED:
            trailers = dict(error.trailing_metadata() or ())
            retry = error_details_pb2.RetryInfo()
            assert status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(retry)
            assert retry.retry_delay.ToTimedelta().total_seconds() > 0
        return error.code()
    return Code.OK


async def test_overload_executes_nothing_after_its_deadline_and_health_answers(
    store: FolderStore, valkey_url: str, tiny_base: Path
) -> None:
    """An overloaded server that works for callers who have left never comes out of it."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_COMPUTE_WORKERS="1") as server:
        await until_serving(server.channel, 1)
        stub = InferenceServiceStub(server.channel)
        scheduler, rng = server.application._scheduler, random.Random(7)
        deadlines_s = [rng.uniform(0.05, 2.0) for _ in range(NUM_CALLS)] + [120.0] * 3
        calls = [asyncio.create_task(ask(stub, rng, deadline_s)) for deadline_s in deadlines_s]
        health = health_pb2_grpc.HealthStub(server.channel)
        checks = 0
        while not all(call.done() for call in calls):
            request = health_pb2.HealthCheckRequest(service="polyhead.v1.InferenceService")
            answer = await health.Check(request, timeout=100)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            checks += 1
            await asyncio.sleep(0.05)
        codes = Counter(call.result() for call in calls)
        assert checks > 0
        assert set(codes) <= {Code.OK, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED}
        # Three have time enough; most of the others cannot be answered in time, and cost no compute then.
        assert codes[Code.OK] >= 3
        assert codes[Code.OK] < len(calls)
        assert scheduler.stats.executed_after_deadline == 0
        assert scheduler.stats.sentences < 50 * len(calls) or scheduler.stats.evicted["deadline"] > 0
        await until(lambda: (scheduler.queue.num_tokens, scheduler.queue.num_requests) == (0, 0))
        await stub.Embed(pb.EmbedRequest(sentences=["still here"]))


@pytest.mark.parametrize("num_sentences", [1, 400])
async def test_full_queue_refuses_one_and_many_alike(
    store: FolderStore, valkey_url: str, tiny_base: Path, num_sentences: int
) -> None:
    """A client's handling of overload must not depend on the size of its request."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_MAX_QUEUE_TOKENS="16384") as server:
        await until_serving(server.channel, 1)
        queue = server.application._scheduler.queue
        queue.reserve(queue.limits.max_queue_tokens)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await InferenceServiceStub(server.channel).Embed(pb.EmbedRequest(sentences=["the cat"] * num_sentences))
        assert caught.value.code() is Code.RESOURCE_EXHAUSTED
        trailers = dict(caught.value.trailing_metadata() or ())
        retry = error_details_pb2.RetryInfo()
        assert status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(retry)
