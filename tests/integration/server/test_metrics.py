"""What Prometheus scrapes: figures that move as they must, and exactly so."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from polyhead.v1 import inference_pb2
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.integration.server.waiting import until_serving
from tests.published import publish, release

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def observed(store: FolderStore, valkey_url: str, tiny_base: Path) -> AsyncIterator[RunningServer]:
    """A server with a model and a metrics port."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_METRICS_LISTEN="127.0.0.1:0") as running:
        await until_serving(running.channel, 1)
        yield running


def read_metrics(server: RunningServer) -> str:
    url = f"http://127.0.0.1:{server.application.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


async def scrape(server: RunningServer) -> Samples:
    text = await asyncio.to_thread(read_metrics, server)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    wanted = set(labels.items())
    return sum(number for (sample, found), number in samples.items() if sample == name and wanted <= found)


async def until(server: RunningServer, holds: Callable[[Samples], bool]) -> Samples:
    """Calls end a little after their clients have the answer."""
    for _ in range(1200):
        samples = await scrape(server)
        if holds(samples):
            return samples
        await asyncio.sleep(0.05)
    raise AssertionError("the metrics never said so")


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
    after = await until(observed, lambda found: value(found, "polyhead_calls_in_flight") == 0)

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
    samples = await until(observed, lambda found: value(found, handled, grpc_method="Watch") == 2)
    assert value(samples, handled, grpc_method="Watch", grpc_code="CANCELLED") == 1
    assert value(samples, handled, grpc_method="Watch", grpc_code="DEADLINE_EXCEEDED") == 1
    assert value(samples, "polyhead_calls_in_flight") == 0


async def test_metrics_tell_of_batches_what_was_computed(observed: RunningServer) -> None:
    """Tokens, padding and duplicates are what a person plans capacity with."""
    stub = InferenceServiceStub(observed.channel)
    answer = await stub.Embed(inference_pb2.EmbedRequest(sentences=["the cat", "the cat", "the dog ran home today"]))
    await stub.Embed(inference_pb2.EmbedRequest(sentences=["a bird"]))
    counts = [item.token_count for item in answer.embeddings]
    samples = await until(observed, lambda found: value(found, "polyhead_queue_seconds_count") == 4)
    assert value(samples, "polyhead_queued_requests_total") == 2
    assert value(samples, "polyhead_queued_sentences_total") == 4
    computed = value(samples, "polyhead_batch_rows_sum")
    duplicates = value(samples, "polyhead_duplicate_sentences_total")
    assert computed + duplicates == 4
    assert value(samples, "polyhead_tokens_total") == value(samples, "polyhead_batch_tokens_sum")
    assert value(samples, "polyhead_tokens_total") == sum(counts) + 4 - duplicates * counts[0]
    batches = value(samples, "polyhead_batch_rows_count")
    assert value(samples, "polyhead_inference_seconds_count", engine="torch-float32") == batches
    assert value(samples, "polyhead_inference_seconds_sum") > 0
    for name in ("polyhead_queue_tokens", "polyhead_queue_requests", "polyhead_executed_after_deadline_total"):
        assert value(samples, name) == 0
    for reason in ("queue_full", "deadline", "draining"):
        assert ("polyhead_rejected_total", frozenset({("reason", reason)})) in samples
    assert value(samples, "polyhead_compute_workers") >= 1


async def test_metrics_tell_which_version_serves_what_was_refused_and_who_answers(
    observed: RunningServer, tiny_base: Path
) -> None:
    """After a release one wants to see that it serves, and that it is asked."""
    stub = InferenceServiceStub(observed.channel)
    await stub.Embed(inference_pb2.EmbedRequest(sentences=["the cat"]))
    publish(observed.store, tiny_base, seed=2)
    await until_serving(observed.channel, 2)
    for _ in range(2):
        await stub.Embed(inference_pb2.EmbedRequest(sentences=["the cat"]))
    release(observed.store, 99)
    refused = "polyhead_model_loads_refused_total"
    samples = await until(observed, lambda found: value(found, refused, reason="CORRUPT_ARTIFACT") >= 1)
    assert value(samples, "polyhead_model_serving", version="2", role="stable") == 1
    assert value(samples, "polyhead_model_serving", version="1") == 0
    assert value(samples, "polyhead_model_swaps_total") == 2
    assert value(samples, "polyhead_model_load_seconds_count") == 2
    assert value(samples, "polyhead_model_requests_total", version="1", route="stable") == 1
    assert value(samples, "polyhead_model_requests_total", version="2", route="stable") == 2
    assert [value(samples, "polyhead_model_seconds_count", version=version) for version in "12"] == [1, 2]
    samples = await until(observed, lambda found: value(found, "polyhead_release_followed") == 3)
    assert value(samples, "polyhead_release_newest") == 3
    assert value(samples, "polyhead_models_refused") == 1
    assert value(samples, "polyhead_release_trouble") == 0
    refusing = inference_pb2.EmbedRequest(sentences=["the cat " * 500], truncation=inference_pb2.TRUNCATION_REFUSE)
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Embed(refusing)
    failed = "polyhead_model_requests_failed_total"
    samples = await until(observed, lambda found: value(found, failed, version="2") == 1)
    assert value(samples, failed, version="2", reason="INVALID_INPUT") == 1


async def test_metrics_are_those_of_the_documentation(observed: RunningServer) -> None:
    """A dashboard is made from the page; what the page leaves out is never looked at."""
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    documented = {name.removesuffix("_total") for name in re.findall(r"^\| `(\w+)`", page, re.MULTILINE)}
    text = await asyncio.to_thread(read_metrics, observed)
    exposed = {family.name for family in text_string_to_metric_families(text)}
    generic = ("process_", "python_")
    assert {name.removesuffix("_created") for name in exposed if not name.startswith(generic)} == documented


async def test_metrics_on_an_address_that_is_taken_stop_the_start_and_say_so(
    observed: RunningServer, store: FolderStore, valkey_url: str
) -> None:
    """A server that runs unobserved is found out when it is too late."""
    taken = f"127.0.0.1:{observed.application.metrics_port}"
    with pytest.raises(RuntimeError, match=f"SERVER_METRICS_LISTEN={taken}"):
        async with running_server(store, valkey_url, SERVER_METRICS_LISTEN=taken):
            raise AssertionError("it started")
