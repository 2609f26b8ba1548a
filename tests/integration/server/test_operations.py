"""What operators rely on: health, reflection, the job API while Redis is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from polyhead.specs import spec_to_message
from polyhead.v1 import inference_pb2, training_pb2
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server
from tests.integration.server.waiting import until_serving
from tests.processes import free_port
from tests.published import publish

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SPEC = {"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]}


async def health(channel: grpc.aio.Channel, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(response.status)


async def test_health_of_inference_waits_for_a_model_the_rest_does_not(server: RunningServer, tiny_base: Path) -> None:
    """A load balancer sends Predict only where a model is; jobs can be sent from the first second."""
    assert await health(server.channel, "") == SERVING
    assert await health(server.channel, "polyhead.v1.TrainingService") == SERVING
    assert await health(server.channel, "polyhead.v1.InferenceService") == NOT_SERVING
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    assert await health(server.channel, "polyhead.v1.InferenceService") == SERVING


async def test_reflection_names_all_services(server: RunningServer) -> None:
    """Generic gRPC tools find their way without our proto files."""
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async for response in stub.ServerReflectionInfo(iter([request])):
        names = {service.name for service in response.list_services_response.service}
    ours = {f"polyhead.v1.{name}Service" for name in ("Inference", "Training", "Model")}
    assert names >= ours | {"grpc.health.v1.Health"}


async def test_train_job_while_redis_is_away_accepts_nothing_and_predictions_go_on(
    store: FolderStore, tiny_base: Path
) -> None:
    """Redis is a doorbell: without it no job is taken in, jobs can still be read, and inference does not notice."""
    dead = f"redis://127.0.0.1:{free_port()}/0"
    publish(store, tiny_base)
    async with running_server(store, dead) as server:
        await until_serving(server.channel, 1)
        stub = TrainingServiceStub(server.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.TrainJob(training_pb2.TrainJobRequest(spec=spec_to_message(SPEC)))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not (await stub.ListJobs(training_pb2.ListJobsRequest())).jobs


async def test_list_jobs_pages_newest_first(server: RunningServer) -> None:
    """Every accepted job is listed once, also across pages."""
    stub = TrainingServiceStub(server.channel)
    ids = []
    for number in range(5):
        request_id = f"{server.target}-{number}"
        request = training_pb2.TrainJobRequest(request_id=request_id, spec=spec_to_message(SPEC))
        ids.append((await stub.TrainJob(request)).job.id)
    first = await stub.ListJobs(training_pb2.ListJobsRequest(page_size=3))
    second = await stub.ListJobs(training_pb2.ListJobsRequest(page_size=3, page_token=first.next_page_token))
    assert sorted(job.id for job in [*first.jobs, *second.jobs]) == sorted(ids)
    assert second.next_page_token == ""
    accepted = [job.submitted_at.ToNanoseconds() for job in [*first.jobs, *second.jobs]]
    assert accepted == sorted(accepted, reverse=True)


async def test_store_that_cannot_be_read_leaves_the_model_serving(server: RunningServer, tiny_base: Path) -> None:
    """A broken record is reported and tried again; the old model stays."""
    publish(server.store, tiny_base)
    await until_serving(server.channel, 1)
    (server.store.root / "releases" / "2.json").write_bytes(b"not a record")
    publish_key = server.store.root / "releases" / "2.json"
    for _ in range(5):
        assert (await until_serving(server.channel, 1)).model.version == 1
    publish_key.unlink()
    publish(server.store, tiny_base, seed=2)
    await until_serving(server.channel, 2)


async def test_stop_with_open_watch_finishes_running_calls_and_does_not_wait_for_the_stream(
    store: FolderStore, valkey_url: str, tiny_base: Path
) -> None:
    """A watcher has no end of its own: a drain time of an hour must not become an hour's stop."""
    publish(store, tiny_base)
    async with running_server(store, valkey_url, SERVER_DRAIN_S="3600") as server:
        await until_serving(server.channel, 1)
        stub = TrainingServiceStub(server.channel)
        request = training_pb2.TrainJobRequest(request_id=server.target, spec=spec_to_message(SPEC))
        job = (await stub.TrainJob(request)).job
        watch = stub.WatchJob(training_pb2.WatchJobRequest(job_id=job.id))
        assert (await watch.read()).state == training_pb2.JOB_STATE_QUEUED
        embed = InferenceServiceStub(server.channel).Embed
        calls = [embed(inference_pb2.EmbedRequest(sentences=["the cat " * 15] * 300)) for _ in range(4)]
        await asyncio.sleep(0.05)
        await server.application.stop()
        for call in calls:
            assert len((await call).embeddings) == 300
        with pytest.raises(grpc.aio.AioRpcError):
            while await watch.read() is not grpc.aio.EOF:
                pass


async def test_list_jobs_with_one_unreadable_job_lists_the_others(server: RunningServer) -> None:
    """A record of a newer worker, or a damaged one, must not hide every other job."""
    stub = TrainingServiceStub(server.channel)
    ids = []
    for name in ("good", "spec", "log"):
        request = training_pb2.TrainJobRequest(request_id=f"{server.target}-{name}", spec=spec_to_message(SPEC))
        ids.append((await stub.TrainJob(request)).job.id)
    (server.store.root / "jobs" / ids[1] / "spec.json").write_bytes(b'{"schema": 99}')
    log = server.store.root / "jobs" / ids[2] / "log"
    log.mkdir()
    (log / "1.json").write_bytes(b"damaged")
    assert [job.id for job in (await stub.ListJobs(training_pb2.ListJobsRequest())).jobs] == [ids[0]]
