"""A multi-label head beside a single-label one: over gRPC, in the client and its tables, and in the V2 protocol."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import numpy as np
from rich.console import Console

from polyhead import AsyncClient
from polyhead.cli.tables import prediction_table, server_table
from server.rpc.open_inference.v2 import inference_pb2 as v2
from server.rpc.open_inference.v2.inference_pb2_grpc import GRPCInferenceServiceStub
from shared.model import Task
from tests.conftest import RunningServer
from tests.golden import alone, loaded
from tests.integration.server.waiting import until_serving
from tests.published import publish

SENTENCES = ["good day", "the worst service in the world " * 6, "i love the red cake", "no", "this train was late"]
#: Low, middle and high, so that no label, some and all are told.
TOPICS = Task("topics", ("food", "travel", "weather"), 1.7, "multi_label", (0.3, 0.5, 0.7))
MOOD = Task("mood", ("down", "up"), 0.8)


async def test_multi_label_task_tells_the_labels_over_their_thresholds(server: RunningServer, tiny_base: Path) -> None:
    """Each label by a sigmoid and a threshold of its own, the single-label neighbour as ever."""
    publish(server.store, tiny_base, (TOPICS, MOOD))
    await until_serving(server.channel, 1)
    model = loaded(server.store, 1)
    async with AsyncClient(server.target) as client:
        response, info = await asyncio.gather(client.predict(SENTENCES), client.server_info())
    told = []
    for sentence, result in zip(SENTENCES, response, strict=True):
        topics_C, mood_C = alone(model, sentence)[1]
        answer = result["topics"]
        np.testing.assert_allclose(list(answer.scores.values()), topics_C, atol=1e-5)
        assert (answer.label, answer.score) == ("", 0.0)
        assert answer.labels == tuple(
            label for label, score, threshold in zip(TOPICS.labels, topics_C, TOPICS.thresholds, strict=True)
            if score >= threshold
        )  # fmt: skip
        told.append(answer.labels)
        assert result["mood"].label == MOOD.labels[int(mood_C.argmax())]
        assert result["mood"].labels == (result["mood"].label,)
    assert len(set(told)) > 1, "all sentences got the same labels: the thresholds were not tried"
    assert info.model is not None
    kinds = [(task.name, task.kind, np.round(task.thresholds, 6).tolist()) for task in info.model.tasks]
    assert kinds == [("topics", "multi_label", [0.3, 0.5, 0.7]), ("mood", "single_label", [])]
    console = Console(file=io.StringIO(), width=200)
    console.print(prediction_table(SENTENCES, response.results, 1), server_table(info))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "topics: food, travel, weather (any number of them)" in printed
    for result in response:
        assert all(f"{label} {result['topics'].scores[label]:.3f}" in printed for label in result["topics"].labels)


async def test_multi_label_task_in_the_v2_protocol_has_its_labels_as_json(
    server: RunningServer, tiny_base: Path
) -> None:
    """A tensor has one cell a sentence, and a sentence any number of labels."""
    publish(server.store, tiny_base, (TOPICS, MOOD))
    await until_serving(server.channel, 1)
    request = v2.ModelInferRequest(model_name="polyhead")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(SENTENCES)])
    tensor.contents.bytes_contents.extend(sentence.encode() for sentence in SENTENCES)
    response = await GRPCInferenceServiceStub(server.channel).ModelInfer(request)
    by_name = {output.name: output for output in response.outputs}
    assert [*by_name] == ["topics.labels", "topics.scores", "mood.label", "mood.scores", "embedding"]
    async with AsyncClient(server.target) as client:
        expected = [list(result["topics"].labels) for result in await client.predict(SENTENCES)]
    assert [json.loads(cell) for cell in by_name["topics.labels"].contents.bytes_contents] == expected
