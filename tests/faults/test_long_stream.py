"""One stream of very many sentences: flat memory in the server, and nothing lost or out of turn.

The full form: `STREAM_SENTENCES=1000000 pytest -s tests/faults/test_long_stream.py`.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.store.folder import FolderStore
from tests.faults.server_process import server_process
from tests.integration.server.waiting import until_serving
from tests.published import publish

NUM_SENTENCES = int(os.environ.get("STREAM_SENTENCES", "20000"))
PER_MESSAGE = 50
WORDS = "a good bad day cat train music the my never love hate".split()  # noqa: SIM905


def sentences(number: int) -> list[str]:
    """Those of one message: a function of its number, of many lengths."""
    rng = random.Random(number)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 24))) for _ in range(PER_MESSAGE)]


async def messages(count: int) -> AsyncIterator[pb.EmbedRequest]:
    for number in range(count):
        yield pb.EmbedRequest(sentences=sentences(number), dimensions=4)


@pytest.mark.timeout(0 if NUM_SENTENCES > 20_000 else 300)
async def test_long_stream_is_answered_in_flat_memory(store: FolderStore, tiny_base: Path) -> None:
    """A server that remembers each message would be killed by a customer's nightly job. Token counts tell the order."""
    publish(store, tiny_base)
    count = NUM_SENTENCES // PER_MESSAGE
    resident: list[int] = []
    async with server_process(store) as server:
        await until_serving(server.channel, 1)
        number = 0
        async for response in InferenceServiceStub(server.channel).EmbedStream(messages(count)):
            # A word is a token here, and two special ones surround them.
            assert [e.token_count for e in response.embeddings] == [len(s.split()) + 2 for s in sentences(number)]
            number += 1
            if number % (count // 20) == 0:
                resident.append(server.resident_bytes())
    assert number == count
    after_warm_up, end = resident[len(resident) // 4], resident[-1]
    print(f"{number * PER_MESSAGE} sentences; MB resident along the way:", [size >> 20 for size in resident])
    assert end <= 1.1 * after_warm_up
