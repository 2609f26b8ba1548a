"""Predict and Embed over a real socket, against a plain forward pass of the same artifact."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import grpc
import numpy as np
import pytest

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from server.rpc.open_inference.v2 import inference_pb2 as open_inference_pb2
from server.rpc.open_inference.v2.inference_pb2_grpc import GRPCInferenceServiceStub
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.golden import alone, loaded
from tests.integration.server.waiting import until_serving
from tests.published import TASKS, publish

SENTENCES = [
    "good day",
    "the worst service in the world " * 6,
    "i love the red cake",
    "no",
    "this train was late today",
]


async def test_predict_batch_equals_each_sentence_alone(server: RunningServer, tiny_base: Path) -> None:
    """Padding, sorting and neighbours must not change an answer (float32: 1e-5 and the same label)."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    stub = InferenceServiceStub(server.channel)
    response = await stub.Predict(pb.PredictRequest(sentences=SENTENCES * 8, include_embedding=True))
    model = loaded(server.store, 1)
    assert response.model_version == 1
    for sentence, result in zip(SENTENCES * 8, response.results, strict=True):
        embedding, scores = alone(model, sentence)
        np.testing.assert_allclose(result.embedding.values, embedding, atol=1e-5)
        for task, prediction, expected in zip(TASKS, result.predictions, scores, strict=True):
            assert prediction.task == task.name
            assert [item.label for item in prediction.scores] == list(task.labels)
            np.testing.assert_allclose([item.score for item in prediction.scores], expected, atol=1e-5)
            assert prediction.label == task.labels[int(np.argmax(expected))]
            assert prediction.score == pytest.approx(float(expected.max()), abs=1e-5)


async def test_predict_many_concurrent_callers_each_get_their_own(server: RunningServer, tiny_base: Path) -> None:
    """Rows of many requests share batches; none may go to the wrong caller."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    stub, model = InferenceServiceStub(server.channel), loaded(server.store, 1)
    texts = [f"{' good bad'[: 5 * (n % 3)]} day {'the ' * (n % 17)} cat {n}" for n in range(200)]
    answers = await asyncio.gather(*(stub.Embed(pb.EmbedRequest(sentences=[text])) for text in texts))
    for text, answer in zip(texts, answers, strict=True):
        np.testing.assert_allclose(answer.embeddings[0].values, alone(model, text)[0], atol=1e-5)


async def test_predict_chosen_tasks_come_in_the_order_asked_for(server: RunningServer, tiny_base: Path) -> None:
    """A client that asks for one head does not pay for reading the others."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    stub = InferenceServiceStub(server.channel)
    response = await stub.Predict(pb.PredictRequest(sentences=["a"], tasks=["hate_speech", "sentiment"]))
    assert [p.task for p in response.results[0].predictions] == ["hate_speech", "sentiment"]
    assert not response.results[0].HasField("embedding")


async def test_embed_dimensions_are_sliced_then_normalised(server: RunningServer, tiny_base: Path) -> None:
    """Cosine similarity needs length 1 after the slice too; the raw vector is to be had as well."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    stub = InferenceServiceStub(server.channel)
    whole = await stub.Embed(pb.EmbedRequest(sentences=["a good day"], normalize=False))
    short = await stub.Embed(pb.EmbedRequest(sentences=["a good day"], dimensions=8))
    raw = np.array(whole.embeddings[0].values)
    np.testing.assert_allclose(short.embeddings[0].values, raw[:8] / np.linalg.norm(raw[:8]), atol=1e-5)
    assert np.linalg.norm(raw) != pytest.approx(1.0, abs=1e-3)


async def test_embed_longer_than_window_is_cut_and_flagged_or_refused(server: RunningServer, tiny_base: Path) -> None:
    """Silent truncation is how wrong search results come about."""
    publish(server.store, tiny_base)
    info = await until_serving(server.channel, 1)
    stub = InferenceServiceStub(server.channel)
    long = "cat " * (2 * info.model.max_tokens)
    response = await stub.Embed(pb.EmbedRequest(sentences=["cat", long]))
    assert [item.truncated for item in response.embeddings] == [False, True]
    assert response.embeddings[1].token_count == info.model.max_tokens
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Embed(pb.EmbedRequest(sentences=["cat", long], truncation=pb.TRUNCATION_REFUSE))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "sentences[1]" in (caught.value.details() or "")


async def test_predict_of_cancelled_and_expired_calls_leaves_server_serving(
    server: RunningServer, tiny_base: Path
) -> None:
    """Callers that hang up must cost nobody else an answer."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    stub = InferenceServiceStub(server.channel)
    calls = [stub.Embed(pb.EmbedRequest(sentences=["the cat " * 20] * 50), timeout=0.001 * n) for n in range(1, 40)]
    for call in calls[::2]:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    allowed = {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
    for outcome in outcomes:
        if isinstance(outcome, grpc.aio.AioRpcError):
            assert outcome.code() in allowed
        else:
            assert isinstance(outcome, asyncio.CancelledError | pb.EmbedResponse)
    response = await stub.Embed(pb.EmbedRequest(sentences=["still here"]))
    assert len(response.embeddings) == 1


async def test_answer_that_would_not_fit_into_a_message_is_refused_before_it_is_computed(
    store: FolderStore, valkey_url: str, tiny_base: Path
) -> None:
    """After compute gRPC would say RESOURCE_EXHAUSTED, as of a full queue, and a client would come again."""
    publish(store, tiny_base)
    settings = {"SERVER_MAX_MESSAGE_BYTES": "16384", "SERVER_MAX_SENTENCE_BYTES": "1000"}
    async with running_server(store, valkey_url, **settings) as server:
        await until_serving(server.channel, 1)
        stub, open_inference = InferenceServiceStub(server.channel), GRPCInferenceServiceStub(server.channel)

        async def embed(number: int) -> None:
            await stub.Embed(pb.EmbedRequest(sentences=["a"] * number))

        async def predict(number: int) -> None:
            await stub.Predict(pb.PredictRequest(sentences=["a"] * number, include_embedding=True))

        async def infer(number: int, *outputs: str) -> None:
            request = open_inference_pb2.ModelInferRequest(model_name="polyhead")
            for name in outputs:
                request.outputs.add(name=name)
            request.inputs.add(name="text", datatype="BYTES", shape=[number]).contents.bytes_contents.extend(
                [b"a"] * number
            )
            await open_inference.ModelInfer(request)

        async def predict_without_embedding(number: int) -> None:
            await stub.Predict(pb.PredictRequest(sentences=["a"] * number))

        for ask in (embed, predict, predict_without_embedding, infer):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(400)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            fitting = re.search(r"has 400 sentences; the answer of (\d+) fits", str(refused.value.details()))
            assert fitting
            await ask(int(fitting[1]))
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(int(fitting[1]) + 1)
        assert server.application._scheduler.stats.sentences < 400
        # What is not asked for does not count.
        await infer(400, "sentiment.scores")
