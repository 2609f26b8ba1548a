"""PredictStream and EmbedStream over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from server.rpc.streams import MAX_IN_FLIGHT
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.golden import alone, loaded
from tests.integration.server.waiting import until, until_serving
from tests.published import publish

Code = grpc.StatusCode


@pytest.fixture
async def ready(server: RunningServer, tiny_base: Path) -> RunningServer:
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    return server


def text(number: int) -> str:
    return f"{'the cat ' * (number % 11)} day {number}"


async def embeds(count: int) -> AsyncIterator[pb.EmbedRequest]:
    for number in range(count):
        yield pb.EmbedRequest(sentences=[text(number)])


def is_idle(server: RunningServer) -> bool:
    """Nothing of any call is left in the server."""
    queue = server.application._scheduler.queue
    bound = queue.limits.max_queue_tokens
    return (queue.num_tokens, queue.num_requests, queue.num_free_tokens) == (0, 0, bound)


async def test_embed_stream_answers_in_order_what_each_gets_alone(ready: RunningServer) -> None:
    """Messages share batches with their neighbours; none may come out of turn, or with another's vector."""
    model = loaded(ready.store, 1)
    number = 0
    async for response in InferenceServiceStub(ready.channel).EmbedStream(embeds(150)):
        np.testing.assert_allclose(response.embeddings[0].values, alone(model, text(number))[0], atol=1e-5)
        number += 1
    assert number == 150
    assert is_idle(ready)


async def test_predict_stream_answers_as_predict(ready: RunningServer) -> None:
    """The same request gives the same answer on both roads."""
    stub = InferenceServiceStub(ready.channel)
    request = pb.PredictRequest(sentences=["good day", "bad cat"], tasks=["sentiment"], include_embedding=True)
    single = await stub.Predict(request)
    async for response in stub.PredictStream(iter([request])):
        assert response.model_version == single.model_version
        for ours, theirs in zip(response.results, single.results, strict=True):
            assert ours.predictions[0].label == theirs.predictions[0].label
            np.testing.assert_allclose(ours.embedding.values, theirs.embedding.values, atol=1e-5)


async def test_stream_without_a_message_ends_well(ready: RunningServer) -> None:
    """Nothing asked, nothing answered."""
    assert [item async for item in InferenceServiceStub(ready.channel).PredictStream(iter(()))] == []


async def test_wrong_message_ends_the_stream_after_the_answers_before_it_and_is_named(ready: RunningServer) -> None:
    """The client knows which of its messages to look at, and keeps what it had."""
    requests = [pb.EmbedRequest(sentences=["good"])] * 3 + [pb.EmbedRequest(sentences=["ok", " "])]
    requests += [pb.EmbedRequest(sentences=["later"])] * 3
    answers = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for response in InferenceServiceStub(ready.channel).EmbedStream(iter(requests)):
            answers.append(response)
    assert len(answers) == 3
    assert caught.value.code() is Code.INVALID_ARGUMENT
    assert (caught.value.details() or "").startswith("messages[3]: sentences[1] is blank")
    trailers = dict(caught.value.trailing_metadata() or ())
    bad = error_details_pb2.BadRequest()
    assert status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(bad)
    assert bad.field_violations[0].field == "messages[3].sentences[1]"
    await until(lambda: is_idle(ready))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\x0a\x02\xff\xff", Code.INVALID_ARGUMENT),
        (pb.PredictRequest(sentences=["x"], tasks=["irony"]).SerializeToString(), Code.NOT_FOUND),
        (
            pb.PredictRequest(sentences=["x"], expect_encoder_id="other").SerializeToString(),
            Code.FAILED_PRECONDITION,
        ),
    ],
)
async def test_error_in_a_stream_has_the_status_of_the_unary_call(
    ready: RunningServer, body: bytes, code: grpc.StatusCode
) -> None:
    """Bytes that are no message included."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in ready.channel.stream_stream("/polyhead.v1.InferenceService/PredictStream")(iter([body])):
            raise AssertionError("something was answered")
    assert caught.value.code() is code
    assert "messages[0]: " in (caught.value.details() or "")


async def test_stream_lives_on_across_a_swap_and_each_message_has_one_version(
    ready: RunningServer, tiny_base: Path
) -> None:
    """A stream may last for days; releases do not wait for it."""
    call = InferenceServiceStub(ready.channel).EmbedStream()
    versions = []

    async def ask() -> int:
        await call.write(pb.EmbedRequest(sentences=["good day", "bad day"]))
        return int((await call.read()).model_version)

    versions.append(await ask())
    publish(ready.store, tiny_base, seed=2)
    await until_serving(ready.channel, 2)
    versions.append(await ask())
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert versions == [1, 2]


async def test_client_that_does_not_read_is_not_read_from(ready: RunningServer) -> None:
    """Flow control instead of memory: only so many messages are taken in, and the rest waits with the client.

    Answers of 16 KB each fill gRPC's own windows after some; beyond those, at most MAX_IN_FLIGHT are computed.
    """
    sent = 0

    async def requests() -> AsyncIterator[pb.EmbedRequest]:
        nonlocal sent
        for number in range(20_000):
            sent += 1
            yield pb.EmbedRequest(sentences=[text(number)] * 100)

    stats = ready.application._scheduler.stats
    call = InferenceServiceStub(ready.channel).EmbedStream(requests())
    first = await call.read()
    assert len(first.embeddings) == 100
    seen = -1
    while seen != stats.requests:
        seen = stats.requests
        await asyncio.sleep(1.0)
    assert stats.requests < 20_000 // 4
    call.cancel()
    await until(lambda: is_idle(ready))
    assert MAX_IN_FLIGHT < 20_000 // 4


async def test_cancelled_stream_leaves_nothing_behind(ready: RunningServer) -> None:
    """Neither queued sentences, nor reserved room, nor tasks."""
    stub = InferenceServiceStub(ready.channel)
    await stub.Embed(pb.EmbedRequest(sentences=["warm"]))
    tasks = len(asyncio.all_tasks())
    for _ in range(5):
        call = stub.EmbedStream(embeds(100_000))
        for _ in range(3):
            await call.read()
        call.cancel()
    await until(lambda: is_idle(ready) and len(asyncio.all_tasks()) <= tasks)
    await stub.Embed(pb.EmbedRequest(sentences=["still here"]))


async def test_streams_that_push_leave_room_for_unary_calls(
    store: FolderStore, valkey_url: str, tiny_base: Path
) -> None:
    """With a queue of 1024 tokens, eight streams wait rather than fill it: no unary call is refused."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_MAX_QUEUE_TOKENS="1024") as server:
        await until_serving(server.channel, 1)
        stub = InferenceServiceStub(server.channel)

        async def stream() -> int:
            return len([response async for response in stub.EmbedStream(embeds(150))])

        streams = [asyncio.create_task(stream()) for _ in range(8)]
        for number in range(50):
            await stub.Embed(pb.EmbedRequest(sentences=[text(number)]))
        assert await asyncio.gather(*streams) == [150] * 8
        assert not server.application._scheduler.stats.refused
        assert is_idle(server)


async def test_calls_over_the_clients_bound_are_refused_with_a_hint(
    store: FolderStore, valkey_url: str, tiny_base: Path
) -> None:
    """One client cannot take all; another, told apart by its id, is not touched."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_MAX_CALLS_PER_CLIENT="1") as server:
        await until_serving(server.channel, 1)
        stub = InferenceServiceStub(server.channel)
        stream = stub.EmbedStream()
        await stream.write(pb.EmbedRequest(sentences=["x"]))
        await stream.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(pb.EmbedRequest(sentences=["x"]))
        assert caught.value.code() is Code.RESOURCE_EXHAUSTED
        trailers = dict(caught.value.trailing_metadata() or ())
        retry = error_details_pb2.RetryInfo()
        assert status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(retry)
        await stub.Embed(pb.EmbedRequest(sentences=["x"]), metadata=(("x-client-id", "other"),))
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        await stub.Embed(pb.EmbedRequest(sentences=["x"]))
