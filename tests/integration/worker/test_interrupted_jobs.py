"""Jobs that are interrupted, over the whole way: TrainJob, a real worker, the real trainer, CancelJob."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polyhead.specs import spec_to_message
from polyhead.v1 import training_pb2
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from tests.conftest import RunningServer, running_server
from tests.tiny_rows import make_rows, write_csv
from tests.workers.stand import Stand

LABELS = ["down", "up"]


@pytest.fixture
def stand(tmp_path: Path, tiny_base: Path) -> Iterator[Stand]:
    write_csv(tmp_path / "data" / "mood.csv", make_rows(150), LABELS)
    with Stand(tmp_path, command=("-m", "worker")) as stand:
        stand.publish_base()
        stand.settings |= {
            "BASE_MODEL": str(tiny_base),
            "WORKER_DATA_ROOTS": str(tmp_path / "data"),
            "WORKER_DEVICE": "cpu",
            "WORKER_LEASE_TTL_S": "60",
        }
        yield stand


async def submit(server: RunningServer, **fields: Any) -> str:
    tasks = [{"name": "mood", "labels": LABELS, "data": {"train": "mood.csv"}}]
    message = spec_to_message({"tasks": tasks, "baselines": False, **fields})
    stub = TrainingServiceStub(server.channel)
    return (await stub.TrainJob(training_pb2.TrainJobRequest(spec=message))).job.id


async def until(server: RunningServer, job_id: str, is_so: Callable[[training_pb2.Job], bool]) -> training_pb2.Job:
    """Watch the job until `is_so`."""
    stream = TrainingServiceStub(server.channel).WatchJob(training_pb2.WatchJobRequest(job_id=job_id), timeout=120)
    async for job in stream:
        if is_so(job):
            stream.cancel()
            return job
    raise AssertionError("the job ended before it was so")


async def test_job_of_a_stopped_worker_goes_on_with_the_next_one_until_it_is_cancelled(stand: Stand) -> None:
    """A deployment in the middle of a training costs the steps since its last checkpoint; then a person changes their
    mind: the trainer is stopped, nothing is published, and what the training left in the store is gone."""
    async with running_server(stand.store, stand.redis_url) as server:
        job_id = await submit(server, optimizer={"epochs": 1000, "rows_per_batch": 16}, checkpoint={"every_steps": 5})
        worker = stand.start_worker()
        checkpoints = stand.jobs.checkpoints(job_id)
        await asyncio.to_thread(stand.wait_until, lambda: bool(checkpoints.newest_first()))
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 60) == 0
        assert checkpoints.newest_first()
        stand.start_worker()
        job = await until(server, job_id, lambda job: job.progress.resumed_at > 0)
        assert job.progress.resumed_at % 5 == 0
        assert (job.attempt, job.progress.stage) == (2, "training")
        stub = TrainingServiceStub(server.channel)
        await stub.CancelJob(training_pb2.CancelJobRequest(job_id=job_id))
        await until(server, job_id, lambda job: job.state == training_pb2.JOB_STATE_CANCELLED)
        await asyncio.to_thread(stand.wait_until, lambda: not stand.store.exists(f"jobs/{job_id}/checkpoints"))
    assert stand.kinds(job_id) == ["claim", "claim", "result"]
    assert stand.versions_of(job_id) == []


async def test_job_that_diverges_fails_for_good_with_code_and_advice(stand: Stand) -> None:
    """One attempt, no version; the caller reads what to change."""
    async with running_server(stand.store, stand.redis_url) as server:
        optimizer = {
            "epochs": 20,
            "rows_per_batch": 16,
            "head_lr": 1.0,
            "clip": 0.0,
            "warmup": 0.5,
            "max_loss_ratio": 2.0,
        }
        job_id = await submit(server, optimizer=optimizer, layerwise_lr={"base_lr": 1.0, "decay": 1.0})
        stand.start_worker()
        job = await until(server, job_id, lambda job: job.state == training_pb2.JOB_STATE_FAILED)
    assert job.error.code == "DIVERGED"
    assert all(words in job.error.message for words in ("task mood", "step", "rate", "lower optimizer.head_lr"))
    assert stand.kinds(job_id) == ["claim", "result"]
    assert stand.versions_of(job_id) == []
