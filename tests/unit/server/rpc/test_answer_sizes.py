"""No answer is larger than what is said of it beforehand, and none is refused that is far smaller."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from server.batching.scheduler import Answer
from server.batching.work import Row
from server.engines.engine import Columns, Engine
from server.models.snapshot import ServableModel, Snapshot
from server.rpc.answer_sizes import ANSWER_BYTES, check_answer, embedding_bytes, predictions_bytes
from server.rpc.open_inference.outputs import answer_bytes, infer_response, select_outputs
from server.rpc.open_inference.v2 import inference_pb2 as open_inference_pb2
from server.rpc.requests import Limits
from server.rpc.responses import embed_response, predict_response
from shared.errors import InvalidInputError
from shared.store.artifacts import Manifest, Probes, TaskEntry
from shared.text import TextEncoder, TokenizedText

DIMENSIONS = 384
NUM_SENTENCES = 100
FEW = (TaskEntry(name="t", labels=("a", "b")),)
#: As of tickets in many languages: texts longer than what stands beside them.
MANY = (
    TaskEntry(name="intent" * 5, labels=tuple(f'{i} \u0442\u0435\u043c\u0430 "{"long" * 10}"' for i in range(300))),
    TaskEntry(
        name="topics",
        kind="multi_label",
        labels=tuple(f"topic {i} of them" for i in range(200)),
        thresholds=(0.0,) * 200,
    ),
)


def snapshot_of(tasks: tuple[TaskEntry, ...]) -> Snapshot:
    manifest = Manifest(
        artifact_id="a" * 32,
        files={},
        tasks=tasks,
        base_model="b",
        encoder_id="e" * 64,
        dimensions=DIMENSIONS,
        max_tokens=512,
        code_version="test",
        probes=cast(Probes, Probes.model_construct()),
    )
    return Snapshot(2**31 - 1, ServableModel(manifest, cast(TextEncoder, None), cast(Engine, None), Columns.of(tasks)))


def answer_of(tasks: tuple[TaskEntry, ...], number: int = NUM_SENTENCES) -> Answer:
    scores_C = np.linspace(0.1, 0.9, sum(len(task.labels) for task in tasks), dtype=np.float32)
    row = Row(np.full(DIMENSIONS, 1.5, np.float32), scores_C)
    return Answer([row] * number, [TokenizedText([0] * 512, True)] * number, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("number", [1, NUM_SENTENCES])
@pytest.mark.parametrize("tasks", [FEW, MANY])
@pytest.mark.parametrize("has_embedding", [False, True])
def test_predict_answer_is_no_larger_than_its_bound(
    tasks: tuple[TaskEntry, ...], has_embedding: bool, number: int
) -> None:
    indices = range(len(tasks))
    response = predict_response(snapshot_of(tasks), indices, answer_of(tasks, number), has_embedding, 0.0)
    each = predictions_bytes(tasks) + (embedding_bytes(DIMENSIONS) if has_embedding else 0)
    assert response.ByteSize() <= number * each + ANSWER_BYTES
    if tasks is MANY:
        assert number * each < 1.5 * response.ByteSize()


def test_embed_answer_is_no_larger_than_its_bound() -> None:
    response = embed_response(snapshot_of(FEW), answer_of(FEW), 0, True, 0.0)
    bound = NUM_SENTENCES * embedding_bytes(DIMENSIONS) + ANSWER_BYTES
    assert response.ByteSize() <= bound < 1.1 * response.ByteSize()


@pytest.mark.parametrize("number", [1, NUM_SENTENCES])
@pytest.mark.parametrize("raw", [b"", b"x"])
@pytest.mark.parametrize("tasks", [FEW, MANY])
def test_open_inference_answer_is_no_larger_than_its_bound(
    tasks: tuple[TaskEntry, ...], raw: bytes, number: int
) -> None:
    request = open_inference_pb2.ModelInferRequest(
        model_name="polyhead", id="i" * 1000, raw_input_contents=[raw] if raw else []
    )
    snapshot = snapshot_of(tasks)
    outputs = select_outputs(request, snapshot)
    response = infer_response(request, snapshot, outputs, answer_of(tasks, number))
    each, once = answer_bytes(request, snapshot, outputs)
    assert response.ByteSize() <= number * each + once
    assert number * each + once < 1.5 * response.ByteSize() + 1000


def test_answer_of_which_no_sentence_fits_is_refused_with_a_zero() -> None:
    """A negative number would help nobody."""
    limits = Limits(1, 1, 1, max_message_bytes=100)
    with pytest.raises(InvalidInputError, match="text has 1 sentences; the answer of 0 fits"):
        check_answer(1, embedding_bytes(DIMENSIONS), limits, "text")
