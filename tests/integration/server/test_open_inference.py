"""The Open Inference Protocol, asked by a client that is not ours, and by malformed messages."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from polyhead.v1 import inference_pb2 as polyhead_pb2
from polyhead.v1 import models_pb2
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from polyhead.v1.models_pb2_grpc import ModelServiceStub
from server.rpc.open_inference.v2 import inference_pb2
from server.rpc.open_inference.v2.inference_pb2_grpc import GRPCInferenceServiceStub
from tests.conftest import RunningServer
from tests.integration.server.waiting import until_serving
from tests.published import TASKS, add_version, publish
from tests.tiny_model import make_tiny_base

SENTENCES = ["the cat sat", "a dog ran home", "füchse — and owls"]
DRIVER = Path(__file__).parent / "triton_driver.py"


async def ask_triton_client(target: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(DRIVER), target, *SENTENCES, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 200)
    assert process.returncode == 0, err.decode()
    answers: dict[str, Any] = json.loads(out)
    return answers


async def test_triton_client_gets_what_predict_and_embed_answer(server: RunningServer, tiny_base: Path) -> None:
    """Tools of the serving world work without our client, and see the same model."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    answers = await ask_triton_client(server.target)
    ready = ("live", "ready", "model_ready", "version_ready", "alias_ready")
    assert {key: answers[key] for key in ready} == dict.fromkeys(ready, True)
    assert answers["other_version_ready"] is False
    assert answers["server"]["name"] == "polyhead"
    outputs = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in answers["model"]["outputs"]}
    assert answers["model"]["versions"] == ["1"]
    assert answers["model"]["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": ["-1", "1"]}]
    # perf_analyzer makes its requests by these: so many sentences at most, each of one text.
    assert answers["server"]["extensions"] == ["model_configuration"]
    config = answers["config"]
    assert config["max_batch_size"] == server.application._settings.server_max_sentences_per_request
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": ["1"]}]

    stub = InferenceServiceStub(server.channel)
    ours = await stub.Predict(polyhead_pb2.PredictRequest(sentences=SENTENCES, include_embedding=True))
    tasks = {p.task: [item.label for item in p.scores] for p in ours.results[0].predictions}
    width = len(ours.results[0].embedding.values)
    assert {item["name"]: (item["data_type"], item.get("dims", [])) for item in config["output"]} == {
        name: (f"TYPE_{'STRING' if datatype == 'BYTES' else datatype}", shape[1:])
        for name, (datatype, shape) in outputs.items()
    }
    assert outputs["embedding"] == ("FP32", ["-1", str(width)])
    for task, labels in tasks.items():
        assert outputs[f"{task}.label"] == ("BYTES", ["-1"])
        assert outputs[f"{task}.scores"] == ("FP32", ["-1", str(len(labels))])

    raw = answers["raw"]
    assert (raw["id"], raw["version"], set(raw["tensors"])) == ("one", "1", set(outputs))
    assert raw["parameters"] == {
        "artifact_id": ours.artifact_id,
        "encoder_id": ours.encoder_id,
        "num_truncated": 0,
    }
    assert raw["labels"] == {f"{task}.scores": labels for task, labels in tasks.items()}
    for found in (raw["tensors"], answers["typed"]):
        for row, result in enumerate(ours.results):
            assert found["embedding"][row] == pytest.approx(list(result.embedding.values), abs=1e-5)
            for prediction in result.predictions:
                assert found[f"{prediction.task}.label"][row] == prediction.label
                scores = [item.score for item in prediction.scores]
                assert found[f"{prediction.task}.scores"][row] == pytest.approx(scores, abs=1e-5)
    column = answers["raw_column"]["tensors"]
    assert list(column) == ["embedding", "sentiment.label"]
    assert column["sentiment.label"] == raw["tensors"]["sentiment.label"]

    assert answers["no_model"].startswith("StatusCode.NOT_FOUND: no model 'other'")
    assert answers["no_version"].startswith("StatusCode.NOT_FOUND: there is no version 77")
    assert "has no output 'nothing'; it has sentiment.label" in answers["no_output"]
    assert answers["no_output"].startswith("StatusCode.INVALID_ARGUMENT")


async def test_open_inference_without_a_model_is_live_and_not_ready(server: RunningServer) -> None:
    """A load balancer keeps the process and sends it nothing; a call all the same is told to come back."""
    stub = GRPCInferenceServiceStub(server.channel)
    assert (await stub.ServerLive(inference_pb2.ServerLiveRequest())).live
    assert not (await stub.ServerReady(inference_pb2.ServerReadyRequest())).ready
    assert not (await stub.ModelReady(inference_pb2.ModelReadyRequest(name="polyhead"))).ready
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelInfer(request(["text"]))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_canary_with_another_encoder_answers_who_asks_for_no_embedding(
    server: RunningServer, tiny_base: Path, tmp_path: Path
) -> None:
    """As for Predict: labels may come from either, vectors of two encoders must not be mixed by chance."""
    publish(server.store, tiny_base)
    canary = add_version(server.store, make_tiny_base(tmp_path / "other", seed=1), tasks=TASKS[:1])
    await until_serving(server.channel, 1)
    await ModelServiceStub(server.channel).Promote(models_pb2.PromoteRequest(version=canary, canary_share=1.0))
    stub = GRPCInferenceServiceStub(server.channel)

    async def answering(*outputs: str) -> str:
        hint = {"triton_enable_empty_final_response": {"boolParam": True}}  # as perf_analyzer sends
        asked = request(["good"], outputs=[{"name": name} for name in outputs], parameters=hint)
        return (await stub.ModelInfer(asked)).model_version

    assert await answering("sentiment.label", "sentiment.scores") == str(canary)
    assert await answering("hate_speech.scores") == "1"
    assert await answering("embedding") == "1"
    assert await answering("sentiment.label", "embedding") == "1"
    assert await answering() == "1"
    told = await stub.ModelMetadata(inference_pb2.ModelMetadataRequest(name="polyhead"))
    assert "hate_speech.scores" in [output.name for output in told.outputs]


def request(elements: list[str | bytes], **changes: Any) -> inference_pb2.ModelInferRequest:
    """A typed request, changed by JSON fields of the input tensor or of the whole request."""
    message = inference_pb2.ModelInferRequest(model_name="polyhead")
    tensor = message.inputs.add(name="text", datatype="BYTES", shape=[len(elements)])
    tensor.contents.bytes_contents.extend(item if isinstance(item, bytes) else item.encode() for item in elements)
    for name, value in changes.items():
        if name in ("datatype", "shape", "name"):
            tensor.ClearField(name)  # type: ignore[arg-type]
            json_format.ParseDict({name: value}, tensor)
        elif name == "raw":
            message.raw_input_contents.extend(value)
        else:
            json_format.ParseDict({name: value}, message)
    return message


def raw(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in elements)


def raw_request(shape: list[int], *items: bytes) -> inference_pb2.ModelInferRequest:
    message = request([], shape=shape, raw=items)
    message.inputs[0].ClearField("contents")
    return message


MALFORMED = [
    (request(["a"], datatype="FP32"), "inputs[0].datatype is 'FP32'"),
    (request(["a"], shape=[2]), "has 1 elements, the shape [2] says 2"),
    (request(["a"], shape=[1, 2]), "inputs[0].shape is [1, 2]"),
    (request([], shape=[0]), "inputs[0].shape is [0]"),
    (request(["a"], name="words"), "must be one tensor named 'text'; there is 'words'"),
    (inference_pb2.ModelInferRequest(model_name="polyhead"), "there is none"),
    (request(["a", b"\xff"]), "bytes_contents[1] is not UTF-8"),
    (request(["a", "  "]), "text[1] is blank"),
    (request(["a"], raw=[raw(b"a")]), "must be empty when raw_input_contents is used"),
    (raw_request([1], raw(b"a"), raw(b"b")), "raw_input_contents has 2 items"),
    (raw_request([1], raw(b"abc")[:-1]), "ends inside element 0"),
    (raw_request([2], raw(b"abc") + b"\x01"), "ends inside element 1"),
    (raw_request([2], raw(b"abc")), "has 1 elements, the shape [2] says 2"),
    (request(["a"], parameters={"truncation": {"stringParam": "maybe"}}), "is 'maybe'; use 'truncate' or 'refuse'"),
    (request(["cat " * 500], parameters={"truncation": {"stringParam": "refuse"}}), "is longer than the model's"),
    (request(["a"], parameters={"truncation": {"boolParam": True}}), "is a bool_param; use a string_param"),
    (request(["a"], parameters={"routingkey": {"stringParam": "me"}}), "parameters[routingkey] is not known"),
    (request(["a"], modelVersion="0"), "model_version is '0'; versions are numbered from 1"),
    (request(["a"], modelVersion="01"), "model_version is '01'; versions are numbered from 1"),
    (request(["a"], outputs=[{"name": "embedding"}, {"name": "embedding"}]), "named twice"),
    (
        request(["a"], outputs=[{"name": "embedding", "parameters": {"classification": {"int64Param": 2}}}]),
        "classification is not offered",
    ),
]


async def test_malformed_infer_request_is_told_what_is_wrong(server: RunningServer, tiny_base: Path) -> None:
    """Bytes from anywhere: each mistake is INVALID_ARGUMENT with its place, none is a bug of ours."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    stub = GRPCInferenceServiceStub(server.channel)
    for message, words in MALFORMED:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ModelInfer(message)
        assert words in (caught.value.details() or "")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, words
