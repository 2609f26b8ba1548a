"""Cancelling a job in the store: what happens follows from where the job stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import FailedPreconditionError, NotFoundError
from shared.spec import parse_spec
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState, JobStore
from shared.store.log import DenseLog

CLAIM = JobEntry(kind="claim")


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(FolderStore(tmp_path))


def submit(jobs: JobStore, *entries: JobEntry) -> str:
    spec = parse_spec({"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]})
    job, _ = jobs.submit("r1", spec)
    for entry in entries:
        jobs.log(job.job_id).append(lambda _, entry=entry: entry)
    return job.job_id


@pytest.mark.parametrize("entries", [(), (CLAIM, JobEntry(kind="failure"))], ids=["new", "between attempts"])
def test_cancel_of_a_queued_job_is_its_result(jobs: JobStore, entries: tuple[JobEntry, ...]) -> None:
    """Nobody works on it, so nobody need be asked; a second cancel changes nothing."""
    job_id = submit(jobs, *entries)
    assert jobs.cancel(job_id).state is JobState.CANCELLED
    assert jobs.cancel(job_id).state is JobState.CANCELLED
    assert len(jobs.get(job_id).log) == len(entries) + 1


def test_cancel_of_a_running_job_leaves_a_wish_and_the_log_as_it_is(jobs: JobStore) -> None:
    """Only the holder of the claim may end it with a result."""
    job_id = submit(jobs, CLAIM)
    assert not jobs.is_cancel_requested(job_id)
    for _ in range(2):
        assert jobs.cancel(job_id).state is JobState.RUNNING
    assert jobs.is_cancel_requested(job_id)
    assert [entry.kind for entry in jobs.get(job_id).log] == ["claim"]


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_cancel_of_a_finished_job_is_refused(jobs: JobStore, state: JobState) -> None:
    """The caller must not believe that a published model was called back."""
    job_id = submit(jobs, CLAIM, JobEntry(kind="result", state=state))
    with pytest.raises(FailedPreconditionError, match=f"has {state.lower()} already"):
        jobs.cancel(job_id)
    assert not jobs.is_cancel_requested(job_id)


def test_cancel_of_an_unknown_job_raises_not_found(jobs: JobStore) -> None:
    """And leaves nothing behind that looks like a job."""
    with pytest.raises(NotFoundError):
        jobs.cancel("0123456789abcdef")
    assert jobs.job_ids() == []


def test_cancel_of_a_job_that_is_claimed_meanwhile_leaves_the_wish(
    jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queued at the first look, claimed at the second: the wish must not be lost between them."""
    job_id = submit(jobs)
    append = DenseLog.append

    def claim_first(log: DenseLog[JobEntry], decide: object) -> int | None:
        monkeypatch.undo()
        append(log, lambda _: CLAIM)
        return append(log, decide)  # type: ignore[arg-type]

    monkeypatch.setattr(DenseLog, "append", claim_first)
    assert jobs.cancel(job_id).state is JobState.RUNNING
    assert jobs.is_cancel_requested(job_id)
