"""The request id that every call has."""

from __future__ import annotations

import json

import grpc
import pytest

from polyhead.specs import spec_to_message
from polyhead.v1 import training_pb2
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from tests.conftest import RunningServer

SPEC = {"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]}


def request_id(call: grpc.aio.Metadata | tuple[tuple[str, str], ...]) -> str:
    found = [item for key, item in call if key == "x-request-id"]
    assert len(found) == 1
    return str(found[0])


async def test_request_id_of_the_caller_comes_back_with_answers_and_errors(server: RunningServer) -> None:
    """One id finds a call in the logs of both sides; errors are what it is needed for."""
    stub = TrainingServiceStub(server.channel)
    call = stub.ListJobs(training_pb2.ListJobsRequest(), metadata=(("x-request-id", "mine-1"),))
    await call
    assert request_id(await call.trailing_metadata()) == "mine-1"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetJob(training_pb2.GetJobRequest(job_id="none"), metadata=(("x-request-id", "mine-2"),))
    assert request_id(caught.value.trailing_metadata()) == "mine-2"
    watch = stub.WatchJob(training_pb2.WatchJobRequest(job_id="none"), metadata=(("x-request-id", "mine-3"),))
    with pytest.raises(grpc.aio.AioRpcError):
        await watch.read()
    assert request_id(await watch.trailing_metadata()) == "mine-3"


async def test_request_id_is_made_up_where_there_is_none_that_fits(server: RunningServer) -> None:
    """A line break or a novel in a header must not end up in the log."""
    stub = TrainingServiceStub(server.channel)
    ids = set()
    for metadata in ((), (("x-request-id", "two words"),), (("x-request-id", "x" * 129),)):
        call = stub.ListJobs(training_pb2.ListJobsRequest(), metadata=metadata)
        await call
        ids.add(request_id(await call.trailing_metadata()))
    assert len(ids) == 3
    assert all(len(found) == 32 for found in ids)


async def test_job_keeps_the_request_id_of_its_call(server: RunningServer) -> None:
    """The worker logs it, hours later and on another machine."""
    stub = TrainingServiceStub(server.channel)
    request = training_pb2.TrainJobRequest(spec=spec_to_message(SPEC))
    job = (await stub.TrainJob(request, metadata=(("x-request-id", "mine-4"),))).job
    record = json.loads((server.store.root / "jobs" / job.id / "spec.json").read_text())
    assert record["x_request_id"] == "mine-4"
