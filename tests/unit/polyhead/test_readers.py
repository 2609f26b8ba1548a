"""Answers that are unusual but legal."""

from __future__ import annotations

from polyhead.readers import read_job, read_server_info
from polyhead.results import JobState
from polyhead.v1 import models_pb2, training_pb2


def test_job_with_a_state_from_the_future_is_unknown_and_unfinished() -> None:
    """A newer server may have states that this client has no name for."""
    job = read_job(training_pb2.Job.FromString(training_pb2.Job(id="a").SerializeToString() + b"\x18\x63"))
    assert job.state is JobState.UNKNOWN
    assert not job.is_finished


def test_job_without_optional_parts_reads_as_none() -> None:
    """Zero times and empty progress must not look like values."""
    job = read_job(training_pb2.Job(id="a", state=training_pb2.JOB_STATE_QUEUED))
    assert (job.submitted_at, job.finished_at, job.progress, job.error, job.metrics) == (None, None, None, None, {})


def test_server_without_a_model_reads_as_none() -> None:
    """While nothing is loaded there is no version 0."""
    assert read_server_info(models_pb2.ServerInfo(server_version="1")).model is None
