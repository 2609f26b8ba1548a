"""CancelJob over the wire."""

from __future__ import annotations

import grpc
import pytest

from polyhead.specs import spec_to_message
from polyhead.v1 import training_pb2
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from shared.store.jobs import JobEntry, JobState, JobStore
from tests.conftest import RunningServer

SPEC = {"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]}


async def submit(server: RunningServer, *entries: JobEntry) -> str:
    """A job whose log has these entries, as workers would have written them."""
    request = training_pb2.TrainJobRequest(spec=spec_to_message(SPEC))
    job = (await TrainingServiceStub(server.channel).TrainJob(request)).job
    for entry in entries:
        JobStore(server.store).log(job.id).append(lambda _, entry=entry: entry)
    return job.id


async def cancel(server: RunningServer, job_id: str) -> training_pb2.Job:
    return await TrainingServiceStub(server.channel).CancelJob(training_pb2.CancelJobRequest(job_id=job_id))


async def test_cancel_of_a_queued_job_answers_with_its_end(server: RunningServer) -> None:
    """No worker is needed, watchers come to an end, and a repeated call is as good as the first."""
    job_id = await submit(server)
    for _ in range(2):
        job = await cancel(server, job_id)
        assert (job.state, job.HasField("finished_at"), job.cancel_requested) == (
            training_pb2.JOB_STATE_CANCELLED,
            True,
            False,
        )
    watch = TrainingServiceStub(server.channel).WatchJob(training_pb2.WatchJobRequest(job_id=job_id))
    assert [seen.state async for seen in watch] == [training_pb2.JOB_STATE_CANCELLED]


async def test_cancel_of_a_running_job_is_seen_by_everyone_who_looks(server: RunningServer) -> None:
    """The worker needs a moment: until then the job runs and says that it was asked to stop."""
    job_id = await submit(server, JobEntry(kind="claim"))
    get = TrainingServiceStub(server.channel).GetJob
    assert not (await get(training_pb2.GetJobRequest(job_id=job_id))).cancel_requested
    for job in (await cancel(server, job_id), await get(training_pb2.GetJobRequest(job_id=job_id))):
        assert (job.state, job.cancel_requested) == (training_pb2.JOB_STATE_RUNNING, True)


async def test_cancel_of_a_job_that_has_ended_or_never_was_is_refused(server: RunningServer) -> None:
    """Two different mistakes, two different statuses."""
    done = await submit(server, JobEntry(kind="result", state=JobState.SUCCEEDED))
    for job_id, code in ((done, grpc.StatusCode.FAILED_PRECONDITION), ("nosuchjob", grpc.StatusCode.NOT_FOUND)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await cancel(server, job_id)
        assert caught.value.code() is code
