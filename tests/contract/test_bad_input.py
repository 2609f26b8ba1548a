"""The table of bad input: what a caller may get wrong in each RPC and field declared so far, and its status.

Each row goes over a real socket to a server with two heads. The same call is sent once and as part of a request of
many sentences where that makes sense: the status is the same for one as for a thousand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from polyhead.specs import spec_to_message
from polyhead.v1 import inference_pb2, inference_pb2_grpc, models_pb2, models_pb2_grpc, training_pb2, training_pb2_grpc
from tests.conftest import RunningServer
from tests.integration.server.waiting import until_serving
from tests.published import publish

Code = grpc.StatusCode
Predict, Embed = inference_pb2.PredictRequest, inference_pb2.EmbedRequest
TASK: dict[str, Any] = {"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}


def train(**spec: Any) -> training_pb2.TrainJobRequest:
    return training_pb2.TrainJobRequest(spec=spec_to_message({"tasks": [TASK]} | spec))


def unnamed_enum() -> training_pb2.TrainJobRequest:
    request = train()
    request.spec.freeze.policy = 77
    return request


#: (RPC, request, status, field of a violation or "", words of the message)
TABLE = [
    ("Predict", Predict(), Code.INVALID_ARGUMENT, "sentences", "at least one"),
    ("Predict", Predict(sentences=[""]), Code.INVALID_ARGUMENT, "sentences[0]", "blank"),
    ("Predict", Predict(sentences=["ok", " \n"]), Code.INVALID_ARGUMENT, "sentences[1]", "blank"),
    ("Predict", Predict(sentences=["x" * 16_385]), Code.INVALID_ARGUMENT, "sentences[0]", "16385 bytes"),
    ("Predict", Predict(sentences=["é" * 8_193]), Code.INVALID_ARGUMENT, "sentences[0]", "16386 bytes"),
    ("Predict", Predict(sentences=["x"] * 513), Code.INVALID_ARGUMENT, "sentences", "takes 512"),
    ("Predict", Predict(sentences=["x"], truncation=9), Code.INVALID_ARGUMENT, "truncation", "9 is no value"),
    ("Predict", Predict(sentences=["w " * 2000], truncation=2), Code.INVALID_ARGUMENT, "sentences[0]", "longer than"),
    ("Predict", Predict(sentences=["x"], tasks=["irony"]), Code.NOT_FOUND, "", "it has sentiment, hate_speech"),
    ("Predict", Predict(sentences=["x"], tasks=["sentiment"] * 2), Code.INVALID_ARGUMENT, "tasks[1]", "twice"),
    ("Predict", Predict(sentences=["x"], expect_encoder_id="other"), Code.FAILED_PRECONDITION, "", "embed your texts"),
    ("Embed", Embed(), Code.INVALID_ARGUMENT, "sentences", "at least one"),
    ("Embed", Embed(sentences=["ok"] * 99 + [""]), Code.INVALID_ARGUMENT, "sentences[99]", "blank"),
    ("Embed", Embed(sentences=["x" * 16_385]), Code.INVALID_ARGUMENT, "sentences[0]", "16385 bytes"),
    ("Embed", Embed(sentences=["x"] * 513), Code.INVALID_ARGUMENT, "sentences", "takes 512"),
    ("Embed", Embed(sentences=["x"], dimensions=-1), Code.INVALID_ARGUMENT, "dimensions", "-1"),
    ("Embed", Embed(sentences=["x"], dimensions=33), Code.INVALID_ARGUMENT, "dimensions", "1 to 32"),
    ("Embed", Embed(sentences=["x"], truncation=9), Code.INVALID_ARGUMENT, "truncation", "9 is no value"),
    ("Embed", Embed(sentences=["w " * 2000], truncation=2), Code.INVALID_ARGUMENT, "sentences[0]", "longer than"),
    ("Embed", Embed(sentences=["x"], expect_encoder_id="other"), Code.FAILED_PRECONDITION, "", "embed your texts"),
    ("TrainJob", training_pb2.TrainJobRequest(), Code.INVALID_ARGUMENT, "tasks", "required"),
    ("TrainJob", train(tasks=[TASK, TASK]), Code.INVALID_ARGUMENT, "tasks[1].name", "'t'"),
    ("TrainJob", train(tasks=[TASK | {"name": "a b"}]), Code.INVALID_ARGUMENT, "tasks[0].name", "a b"),
    ("TrainJob", train(tasks=[TASK | {"labels": ["x"]}]), Code.INVALID_ARGUMENT, "tasks[0].labels", "at least 2"),
    ("TrainJob", train(tasks=[TASK | {"data": {}}]), Code.INVALID_ARGUMENT, "tasks[0].data.train", "required"),
    ("TrainJob", train(layerwise_lr={"decay": 0.0}), Code.INVALID_ARGUMENT, "layerwise_lr.decay", "greater than 0"),
    ("TrainJob", train(optimizer={"epochs": -1}), Code.INVALID_ARGUMENT, "optimizer.epochs", "-1"),
    ("TrainJob", train(split={"test": 0.9}), Code.INVALID_ARGUMENT, "split.test", "0.9"),
    ("TrainJob", train(max_tokens=3), Code.INVALID_ARGUMENT, "max_tokens", "3"),
    ("TrainJob", train(max_tokens=67), Code.INVALID_ARGUMENT, "max_tokens", "66 tokens"),
    ("TrainJob", train(optimizer={"weight_decay": 2.0}), Code.INVALID_ARGUMENT, "optimizer.weight_decay", "2.0"),
    ("TrainJob", train(layerwise_lr={"decay": 1e-4}), Code.INVALID_ARGUMENT, "layerwise_lr", "layer.1 the rate 1e+03"),
    (
        "TrainJob",
        train(lora={}, freeze={"policy": "layers", "layers": 2}),
        Code.INVALID_ARGUMENT,
        "lora",
        "nothing to adapt",
    ),
    ("TrainJob", train(freeze={"policy": "heads", "heads": ["u"]}), Code.INVALID_ARGUMENT, "freeze.heads[0]", "'u'"),
    ("TrainJob", unnamed_enum(), Code.INVALID_ARGUMENT, "freeze.policy", "77"),
    ("TrainJob", training_pb2.TrainJobRequest(request_id="r" * 129), Code.INVALID_ARGUMENT, "request_id", "129"),
    ("GetJob", training_pb2.GetJobRequest(job_id="none"), Code.NOT_FOUND, "", "none"),
    ("GetJob", training_pb2.GetJobRequest(), Code.NOT_FOUND, "", "no job ''"),
    ("GetJob", training_pb2.GetJobRequest(job_id="../versions"), Code.NOT_FOUND, "", "../versions"),
    ("ListJobs", training_pb2.ListJobsRequest(page_size=-1), Code.INVALID_ARGUMENT, "page_size", "-1"),
    ("ListJobs", training_pb2.ListJobsRequest(page_token="x"), Code.INVALID_ARGUMENT, "page_token", "'x'"),
    ("WatchJob", training_pb2.WatchJobRequest(job_id="none"), Code.NOT_FOUND, "", "none"),
    ("ListVersions", models_pb2.ListVersionsRequest(page_size=501), Code.INVALID_ARGUMENT, "page_size", "501"),
    ("ListVersions", models_pb2.ListVersionsRequest(page_token="-3"), Code.INVALID_ARGUMENT, "page_token", "-3"),
]


@pytest.fixture
async def ready(server: RunningServer, tiny_base: Path) -> RunningServer:
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    return server


async def call(server: RunningServer, method: str, request: Any) -> None:
    stubs = (
        inference_pb2_grpc.InferenceServiceStub(server.channel),
        training_pb2_grpc.TrainingServiceStub(server.channel),
        models_pb2_grpc.ModelServiceStub(server.channel),
    )
    rpc = next(getattr(stub, method) for stub in stubs if hasattr(stub, method))
    if method == "WatchJob":
        async for _ in rpc(request):
            raise AssertionError("a job was sent")
    else:
        await rpc(request)


def violations_of(error: grpc.aio.AioRpcError) -> dict[str, str]:
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(bad)
    return {v.field: v.description for v in bad.field_violations}


async def test_bad_input_has_its_status_and_names_field_and_value(ready: RunningServer) -> None:
    """One server for the whole table: a bad request must also leave it able to answer the next."""
    wrong = []
    for method, request, status, field, words in TABLE:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(ready, method, request)
        error = caught.value
        fields = violations_of(error)
        named = not field or field in fields
        if error.code() is not status or words not in (error.details() or "") or not named:
            wrong.append((method, str(request)[:60], error.code(), error.details(), fields))
    assert not wrong
    await inference_pb2_grpc.InferenceServiceStub(ready.channel).Predict(Predict(sentences=["still here"]))


@pytest.mark.parametrize("body", [b"\x0a\x02\xff\xff", b"\xff\xff\xff", b"\x0a\x7f"])
@pytest.mark.parametrize("method", ["InferenceService/Predict", "TrainingService/TrainJob", "TrainingService/WatchJob"])
async def test_bytes_that_are_no_message_are_invalid_argument(ready: RunningServer, method: str, body: bytes) -> None:
    """Bad UTF-8 and broken framing are the caller's fault, not UNKNOWN and not a bug of ours."""
    path = f"/polyhead.v1.{method}"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if method.endswith("WatchJob"):
            async for _ in ready.channel.unary_stream(path)(body):
                raise AssertionError("something was sent")
        else:
            await ready.channel.unary_unary(path)(body)
    assert caught.value.code() is Code.INVALID_ARGUMENT


async def test_unknown_method_is_unimplemented(ready: RunningServer) -> None:
    """A newer client learns that this server is older."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.channel.unary_unary("/polyhead.v1.InferenceService/Explode")(b"")
    assert caught.value.code() is Code.UNIMPLEMENTED


async def test_message_over_limit_is_resource_exhausted(ready: RunningServer) -> None:
    """gRPC's own limit; the server must not read it into memory first."""
    request = Predict(sentences=["x" * 16_000] * 1100)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inference_pb2_grpc.InferenceServiceStub(ready.channel).Predict(request)
    assert caught.value.code() is Code.RESOURCE_EXHAUSTED


async def test_deadline_in_the_past_is_deadline_exceeded(ready: RunningServer) -> None:
    """Whether client or server notices first, the caller sees one status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inference_pb2_grpc.InferenceServiceStub(ready.channel).Predict(Predict(sentences=["x"]), timeout=-1.0)
    assert caught.value.code() is Code.DEADLINE_EXCEEDED


async def test_predict_on_base_encoder_is_failed_precondition(server: RunningServer, tiny_base: Path) -> None:
    """First start: embeddings work, and Predict says what to do."""
    publish(server.store, tiny_base, tasks=())
    await until_serving(server.channel, 1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inference_pb2_grpc.InferenceServiceStub(server.channel).Predict(Predict(sentences=["x"]))
    assert caught.value.code() is Code.FAILED_PRECONDITION
    assert "no task yet" in (caught.value.details() or "")


async def test_same_request_id_with_other_spec_already_exists(ready: RunningServer) -> None:
    """And with the same spec it is the same job."""
    stub = training_pb2_grpc.TrainingServiceStub(ready.channel)
    request = train()
    request.request_id = f"r-{ready.target}"
    first = await stub.TrainJob(request)
    assert (await stub.TrainJob(request)).job.id == first.job.id
    other = train(max_tokens=64)
    other.request_id = request.request_id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.TrainJob(other)
    assert caught.value.code() is Code.ALREADY_EXISTS


async def test_validate_only_reports_and_queues_nothing(ready: RunningServer) -> None:
    """A recipe can be checked without training it."""
    stub = training_pb2_grpc.TrainingServiceStub(ready.channel)
    request = train()
    request.validate_only = True
    assert not (await stub.TrainJob(request)).HasField("job")
    assert not (await stub.ListJobs(training_pb2.ListJobsRequest())).jobs
    bad = train(max_tokens=3, optimizer={"epochs": 0})
    bad.validate_only = True
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.TrainJob(bad)
    assert set(violations_of(caught.value)) == {"max_tokens", "optimizer.epochs"}
