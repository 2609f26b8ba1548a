"""What every call has: a request id, and an exact count."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from polyhead.specs import spec_to_message
from polyhead.v1 import inference_pb2, training_pb2
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.integration.server.waiting import until_serving
from tests.published import publish

SPEC = {"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def observed(store: FolderStore, valkey_url: str, tiny_base: Path) -> AsyncIterator[RunningServer]:
    """A server with a model and a metrics port."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_METRICS_LISTEN="127.0.0.1:0") as running:
        await until_serving(running.channel, 1)
        yield running


async def scrape(server: RunningServer) -> Samples:
    url = f"http://127.0.0.1:{server.application.metrics_port}/metrics"
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=60).read().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    wanted = set(labels.items())
    return sum(number for (sample, found), number in samples.items() if sample == name and wanted <= found)


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


async def test_metrics_count_every_call_once_by_method_and_status(observed: RunningServer) -> None:
    """A dashboard that is off by some is not believed when it matters."""
    before = await scrape(observed)
    stub = InferenceServiceStub(observed.channel)
    for _ in range(7):
        await stub.Embed(inference_pb2.EmbedRequest(sentences=["the cat", "sat"]))
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Predict(inference_pb2.PredictRequest())
    unknown = observed.channel.unary_unary("/polyhead.v1.InferenceService/Guess")
    with pytest.raises(grpc.aio.AioRpcError):
        await unknown(b"")
    after = await scrape(observed)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    handled = "grpc_server_handled_total"
    assert grown(handled, grpc_method="Embed", grpc_code="OK") == 7
    assert grown(handled, grpc_method="Predict", grpc_code="INVALID_ARGUMENT") == 3
    assert grown(handled, grpc_service="unknown", grpc_code="UNIMPLEMENTED") == 1
    assert grown(handled) == 11
    assert grown("grpc_server_started_total") == 11
    assert grown("grpc_server_handling_seconds_count", grpc_method="Embed") == 7
    assert value(after, "polyhead_calls_in_flight") == 0


async def test_cancelled_call_is_counted_as_cancelled_and_a_late_one_as_late(observed: RunningServer) -> None:
    """Impatient clients look like a failing server otherwise; a watch is open for long and counts when it ends."""
    watch = health_pb2_grpc.HealthStub(observed.channel).Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    samples = await scrape(observed)
    assert value(samples, "polyhead_calls_in_flight", grpc_method="Watch") == 1
    watch.cancel()
    late = health_pb2_grpc.HealthStub(observed.channel).Watch(health_pb2.HealthCheckRequest(), timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError):
        while True:
            await late.read()
    handled = "grpc_server_handled_total"
    for _ in range(600):
        samples = await scrape(observed)
        if value(samples, handled, grpc_method="Watch") == 2:
            break
        await asyncio.sleep(0.1)
    assert value(samples, handled, grpc_method="Watch", grpc_code="CANCELLED") == 1
    assert value(samples, handled, grpc_method="Watch", grpc_code="DEADLINE_EXCEEDED") == 1
    assert value(samples, "polyhead_calls_in_flight") == 0
