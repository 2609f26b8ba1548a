"""Job records: the same request finds the same job, and the log says the state."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import AlreadyExistsError, NotFoundError
from shared.spec import JobSpec, parse_spec
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState, JobStore


def spec(train: str = "a.csv") -> JobSpec:
    return parse_spec({"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": train}}]})


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(FolderStore(tmp_path))


def test_submit_twice_returns_first_job(jobs: JobStore) -> None:
    """A client that saw no answer sends the same request again and must not train twice."""
    first, created = jobs.submit("r1", spec())
    again, created_again = jobs.submit("r1", spec())
    assert (created, created_again) == (True, False)
    assert again.job_id == first.job_id


def test_submit_same_id_with_other_spec_is_refused(jobs: JobStore) -> None:
    """Otherwise the caller would believe that the second spec is being trained."""
    jobs.submit("r1", spec())
    with pytest.raises(AlreadyExistsError, match="r1"):
        jobs.submit("r1", spec("b.csv"))


@pytest.mark.parametrize("job_id", ["unknown", "../versions", "", "a/b"])
def test_get_unknown_job_raises_not_found(jobs: JobStore, job_id: str) -> None:
    """Also for ids that are no ids: they come from callers."""
    with pytest.raises(NotFoundError):
        jobs.get(job_id)


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ([], JobState.QUEUED),
        ([JobEntry(kind="claim")], JobState.RUNNING),
        ([JobEntry(kind="claim"), JobEntry(kind="failure")], JobState.QUEUED),
        ([JobEntry(kind="claim"), JobEntry(kind="claim")], JobState.RUNNING),
        ([JobEntry(kind="claim"), JobEntry(kind="result", state=JobState.SUCCEEDED)], JobState.SUCCEEDED),
        ([JobEntry(kind="result", state=JobState.CANCELLED)], JobState.CANCELLED),
    ],
)
def test_state_follows_from_last_entry(jobs: JobStore, entries: list[JobEntry], state: JobState) -> None:
    """The log is the truth; no state is stored beside it."""
    job, _ = jobs.submit("r1", spec())
    for entry in entries:
        jobs.log(job.job_id).append(lambda _, entry=entry: entry)
    assert jobs.get(job.job_id).state is state
