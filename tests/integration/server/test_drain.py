"""How a server stops: tells it first, answers what runs, ends streams with a status, and is gone in time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from polyhead.specs import spec_to_message
from polyhead.v1 import inference_pb2, training_pb2
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from server.engines.engine import EngineOutput
from server.engines.torch_engine import TorchEngine
from server.rpc.open_inference.v2 import inference_pb2 as open_inference_pb2
from server.rpc.open_inference.v2.inference_pb2_grpc import GRPCInferenceServiceStub
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.integration.server.waiting import until_serving
from tests.processes import free_port
from tests.published import publish

ROOT = Path(__file__).parents[3]
SPEC = {"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]}
INFERENCE = "polyhead.v1.InferenceService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NUM_MESSAGES = 40


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Batches wait while it is closed: a model cannot be asked to be busy for just so long."""
    gate = threading.Event()
    gate.set()
    compute = TorchEngine.run_blocking

    def wait_and_compute(engine: TorchEngine, rows: Sequence[Sequence[int]]) -> EngineOutput:
        gate.wait(200)
        return compute(engine, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TorchEngine, "run_blocking", wait_and_compute)
        yield gate
        gate.set()


async def until_running(server: RunningServer, number: int) -> None:
    for _ in range(1200):
        if server.application.num_running_calls == number:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{server.application.num_running_calls} calls run, not {number}")


async def until_compute_threads_ended() -> None:
    """They answer to the event loop, which must still be there."""
    for _ in range(1200):
        if not any(thread.name.startswith("compute-") for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("a compute thread does not end")


def retry_delay_s(error: grpc.aio.AioRpcError) -> float:
    body = next(item for key, item in error.trailing_metadata() if key == "grpc-status-details-bin")
    retry = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(body).details[0].Unpack(retry)
    return float(retry.retry_delay.ToTimedelta().total_seconds())


async def open_requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    """One, and then no end."""
    yield reflection_pb2.ServerReflectionRequest(list_services="")
    await asyncio.Event().wait()


async def test_drain_answers_what_runs_refuses_what_comes_and_ends_streams_with_a_status(
    store: FolderStore, valkey_url: str, tiny_base: Path, gate: threading.Event
) -> None:
    """A rolling restart loses nothing: clients learn where not to go before the port closes."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_DRAIN_S="300") as server:
        await until_serving(server.channel, 1)
        training, inference = TrainingServiceStub(server.channel), InferenceServiceStub(server.channel)
        health = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(service=INFERENCE))
        assert (await health.read()).status == SERVING
        job = (await training.TrainJob(training_pb2.TrainJobRequest(spec=spec_to_message(SPEC)))).job
        watch = training.WatchJob(training_pb2.WatchJobRequest(job_id=job.id))
        await watch.read()
        stream = reflection_pb2_grpc.ServerReflectionStub(server.channel).ServerReflectionInfo(open_requests())
        await stream.read()
        gate.clear()
        running = inference.Embed(inference_pb2.EmbedRequest(sentences=["the cat"]))
        await until_running(server, 3)

        stopping = asyncio.create_task(server.application.stop())
        assert (await health.read()).status == NOT_SERVING
        for open_call in (watch, stream):
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await open_call.read()
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            assert retry_delay_s(ended.value) > 0
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await inference.Embed(inference_pb2.EmbedRequest(sentences=["the cat"]))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert retry_delay_s(refused.value) > 0
        open_inference = GRPCInferenceServiceStub(server.channel)
        assert (await open_inference.ServerLive(open_inference_pb2.ServerLiveRequest())).live
        assert not (await open_inference.ServerReady(open_inference_pb2.ServerReadyRequest())).ready
        assert not stopping.done()

        gate.set()
        assert len((await running).embeddings) == 1
        with pytest.raises(grpc.aio.AioRpcError) as closed:
            await health.read()
        assert closed.value.code() is grpc.StatusCode.UNAVAILABLE
        await stopping


async def test_drain_answers_what_was_read_of_a_stream_and_ends_it_with_a_status(
    store: FolderStore, valkey_url: str, tiny_base: Path
) -> None:
    """OK would make the client believe that all was answered; a cancellation would lose what was."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_DRAIN_S="300") as server:
        await until_serving(server.channel, 1)
        call = InferenceServiceStub(server.channel).EmbedStream()
        # All are written before the drain: a write that fails would hide the server's status from grpc.aio's client.
        for _ in range(NUM_MESSAGES):
            await call.write(inference_pb2.EmbedRequest(sentences=["the cat"]))
        answers = [await call.read() for _ in range(5)]
        stopping = asyncio.create_task(server.application.stop())
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            while True:
                answers.append(await call.read())
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert retry_delay_s(ended.value) > 0
        await stopping
        assert 5 <= len(answers) <= NUM_MESSAGES
        assert {len(answer.embeddings) for answer in answers} == {1}


async def test_drain_is_over_when_its_time_is_and_cancels_what_still_runs(
    store: FolderStore, valkey_url: str, tiny_base: Path, gate: threading.Event
) -> None:
    """Whoever restarts services kills after a while: better to end by oneself, with a status for the caller."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_DRAIN_S="1") as server:
        await until_serving(server.channel, 1)
        gate.clear()
        running = InferenceServiceStub(server.channel).Embed(inference_pb2.EmbedRequest(sentences=["the cat"]))
        await until_running(server, 1)
        await server.application.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        gate.set()
        await until_compute_threads_ended()


async def until_health(health: health_pb2_grpc.HealthAsyncStub, status: int) -> None:
    for _ in range(1200):
        if (await health.Check(health_pb2.HealthCheckRequest())).status == status:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"health does not become {status}")


async def test_port_stays_open_for_load_balancers_until_a_second_signal_hurries(
    store: FolderStore, valkey_url: str, tmp_path: Path
) -> None:
    """A probe comes every few seconds: a port that closes at once never tells it NOT_SERVING."""
    target = f"127.0.0.1:{free_port()}"
    environment = os.environ | {
        "STORE_URL": str(store.root),
        "REDIS_URL": valkey_url,
        "SERVER_LISTEN": target,
        "SERVER_DRAIN_S": "600",
        "SERVER_DRAIN_MIN_S": "600",
    }
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "server", cwd=ROOT, env=environment)
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            await asyncio.wait_for(channel.channel_ready(), 120)
            health = health_pb2_grpc.HealthStub(channel)
            await until_health(health, SERVING)
            server.send_signal(signal.SIGTERM)
            # Nothing runs, and yet there is an answer to every probe.
            await until_health(health, NOT_SERVING)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await TrainingServiceStub(channel).ListJobs(training_pb2.ListJobsRequest())
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert retry_delay_s(refused.value) > 0
            server.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(server.wait(), 120) == 0
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def hang_the_store(store: FolderStore) -> int:
    """A release whose reading never ends, as on a network file system that is gone. Returns the writing end."""
    pipe = store.root / "releases" / "2.json"
    os.mkfifo(pipe)
    for _ in range(2400):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            await asyncio.sleep(0.05)
    raise AssertionError("the server does not look for releases")


async def test_sigterm_ends_the_process_with_status_0_whatever_hangs(
    store: FolderStore, valkey_url: str, tiny_base: Path, tmp_path: Path
) -> None:
    """The whole process: clients that never let go, or a store that hangs, must not turn a stop into a kill."""
    publish(store, tiny_base)
    target = f"127.0.0.1:{free_port()}"
    environment = os.environ | {
        "STORE_URL": str(store.root),
        "REDIS_URL": valkey_url,
        "SERVER_LISTEN": target,
        "SERVER_METRICS_LISTEN": "127.0.0.1:0",
        "SERVER_DRAIN_S": "5",
    }
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", cwd=ROOT, env=environment, stderr=stderr
        )
        try:
            async with grpc.aio.insecure_channel(target) as channel:
                await asyncio.wait_for(channel.channel_ready(), 120)
                await until_serving(channel, 1)
                stub = TrainingServiceStub(channel)
                request = training_pb2.TrainJobRequest(spec=spec_to_message(SPEC))
                job = (await stub.TrainJob(request, metadata=(("x-request-id", "mine-5"),))).job
                watch = stub.WatchJob(training_pb2.WatchJobRequest(job_id=job.id))
                await watch.read()
                health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                await health.read()
                unread = stub.WatchJob(training_pb2.WatchJobRequest(job_id=job.id))
                pipe = await hang_the_store(store)
                server.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(server.wait(), 120) == 0
                unread.cancel()
                os.close(pipe)
        finally:
            if server.returncode is None:
                server.kill()
                await server.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    accepted = next(line for line in lines if line["event"] == "job accepted")
    assert (accepted["job_id"], accepted["x_request_id"]) == (job.id, "mine-5")
    assert [line["event"] for line in lines][-2:] == ["stopped", "threads that do not end are left behind"]
