"""A storm of calls that are cancelled: afterwards the server is as it was before.

The full form: `CANCELLED_CALLS=20000 pytest -s tests/faults/test_cancel_storm.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import grpc
import pytest

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from tests.conftest import RunningServer
from tests.faults.server_process import resident_bytes
from tests.integration.server.waiting import until, until_serving
from tests.published import publish

NUM_CALLS = int(os.environ.get("CANCELLED_CALLS", "500"))
#: Calls that are open at a time.
CROWD = 50


async def storm(channel: grpc.aio.Channel, num_calls: int, rng: random.Random) -> int:
    """Calls that are cancelled wherever they just are; returns how many were answered before."""
    stub, room = InferenceServiceStub(channel), asyncio.Semaphore(CROWD)

    async def one() -> int:
        async with room:
            words = [f"{'the cat ' * 10}{rng.random()}" for _ in range(rng.randint(1, 20))]
            call = stub.Embed(pb.EmbedRequest(sentences=words))
            await asyncio.sleep(rng.random() * 0.05)
            call.cancel()
            try:
                await call
            except asyncio.CancelledError:
                return 0
            return 1

    return sum(await asyncio.gather(*(one() for _ in range(num_calls))))


@pytest.mark.timeout(0 if NUM_CALLS > 500 else 300)
async def test_storm_of_cancelled_calls_leaves_no_task_no_entry_and_no_memory(
    server: RunningServer, tiny_base: Path
) -> None:
    """What each cancelled call left behind would add up to the end of a server that clients with timeouts use."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    queue, stats = server.application._scheduler.queue, server.application._scheduler.stats
    rng = random.Random(5)
    tasks = len(asyncio.all_tasks())

    def is_calm() -> bool:
        left = (server.application.num_running_calls, queue.num_tokens, queue.num_requests)
        return left == (0, 0, 0) and len(asyncio.all_tasks()) <= tasks

    # Allocators and pools take what they need in the first one.
    await storm(server.channel, NUM_CALLS, rng)
    await until(is_calm)
    before = resident_bytes(os.getpid())
    answered = await storm(server.channel, NUM_CALLS, rng)
    await until(is_calm)
    after = resident_bytes(os.getpid())
    print(f"{NUM_CALLS} calls, {answered} answered, evicted {dict(stats.evicted)}; MB {before >> 20} -> {after >> 20}")
    assert answered < NUM_CALLS
    assert stats.requests > 0
    assert queue.num_free_tokens == queue.limits.max_queue_tokens
    assert after <= 1.1 * before
    response = await InferenceServiceStub(server.channel).Embed(pb.EmbedRequest(sentences=["still here"]))
    assert len(response.embeddings) == 1
