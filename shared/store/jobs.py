"""jobs/<job_id>/: the spec as accepted, and the dense log of claims, failed attempts and the result.

The entry number is the fencing token. An attempt holds claim k and ends by creating k+1; whoever takes over creates
k+1 as a new claim. One of them wins, and the other stops.

Cancelling follows the same rule: a job that nobody works on gets a CANCELLED result as its next entry; for a running
one a wish is recorded beside the log, which its worker obeys, as does whoever would claim the job next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from shared.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from shared.spec import JobSpec
from shared.store.checkpoints import Checkpoints
from shared.store.folder import FolderStore, KeyMissingError
from shared.store.log import DenseLog
from shared.store.records import Record, create_record


class JobState(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class SpecRecord(Record):
    """jobs/<job_id>/spec.json: created once, when the job is accepted."""

    request_id: str
    spec: JobSpec
    #: `x-request-id` of the call that brought it: ties the logs of server and worker together.
    x_request_id: str = ""


class CancelRecord(Record):
    """jobs/<job_id>/cancel.json: somebody wishes that a running job ends."""


class DataRecord(Record):
    """jobs/<job_id>/data.json: what the first attempt read."""

    #: Task -> file -> hash.
    sha256: dict[str, dict[str, str]]


class JobEntry(Record):
    """One entry of a job's log: a claim, a failed attempt, or (last) the result."""

    kind: Literal["claim", "failure", "result"]
    #: Who runs it: host and process of the supervisor.
    worker: str = ""
    #: Result only.
    state: JobState | None = None
    artifact_id: str = ""
    manifest_sha256: str = ""
    metrics: dict[str, Any] = {}
    #: The resolved learning-rate table, data hashes, row counts and drops: see worker.training.
    report: dict[str, Any] = {}
    #: Failure, or a result that is not SUCCEEDED.
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the store knows it."""

    job_id: str
    accepted: SpecRecord
    log: tuple[JobEntry, ...]

    @property
    def state(self) -> JobState:
        if not self.log or self.log[-1].kind == "failure":
            return JobState.QUEUED
        if self.log[-1].kind == "claim":
            return JobState.RUNNING
        return self.log[-1].state or JobState.FAILED

    @property
    def is_finished(self) -> bool:
        return bool(self.log) and self.log[-1].kind == "result"

    @property
    def result(self) -> JobEntry | None:
        return self.log[-1] if self.is_finished else None

    @property
    def num_claims(self) -> int:
        return sum(entry.kind == "claim" for entry in self.log)

    @property
    def num_failures(self) -> int:
        """The trainer's own recorded failures: the only ones that count towards the limit of attempts."""
        return sum(entry.kind == "failure" for entry in self.log)


def job_id_of(request_id: str) -> str:
    """A job's id is a hash of its request id, so that a second submission finds the first."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:16]


class JobStore:
    """All jobs of a store. Thread-safe; blocking."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store

    def log(self, job_id: str) -> DenseLog[JobEntry]:
        return DenseLog(self._store, f"jobs/{job_id}/log", JobEntry)

    def submit(self, request_id: str, spec: JobSpec, x_request_id: str = "") -> tuple[Job, bool]:
        """Accept a job, durably. The second value is False if the same job was accepted before.

        Raises:
            AlreadyExistsError: if the request id was used with another spec.
        """
        job_id = job_id_of(request_id)
        record = SpecRecord(request_id=request_id, spec=spec, x_request_id=x_request_id)
        created = create_record(self._store, f"jobs/{job_id}/spec.json", record)
        job = self.get(job_id)
        if job.accepted.spec != spec:
            raise AlreadyExistsError(
                f"request_id {request_id!r} was used before, for job {job_id}, with another spec; "
                "use a new request_id for a new job"
            )
        return job, created

    def get(self, job_id: str) -> Job:
        """
        Raises:
            NotFoundError: if there is no such job.
        """
        key = f"jobs/{job_id}/spec.json"
        try:
            if not job_id.isalnum():
                raise KeyMissingError(job_id)
            accepted = SpecRecord.from_bytes(self._store.get(key), key)
        except KeyMissingError:
            raise NotFoundError(f"no job {job_id!r}") from None
        return Job(job_id, accepted, tuple(self.log(job_id).entries()))

    def cancel(self, job_id: str) -> Job:
        """Cancel the job if nobody works on it, else leave the wish; return the job as it is then. Idempotent.

        Raises:
            NotFoundError: if there is no such job.
            FailedPreconditionError: if it has ended otherwise.
        """
        if self.get(job_id).state is JobState.RUNNING:
            create_record(self._store, _cancel_key(job_id), CancelRecord())
        self.log(job_id).append(_cancelled_unless_busy)
        job = self.get(job_id)
        if job.state is JobState.RUNNING and not self.is_cancel_requested(job_id):
            return self.cancel(job_id)  # claimed between the first look and the second
        if job.state in (JobState.SUCCEEDED, JobState.FAILED):
            raise FailedPreconditionError(
                f"job {job_id} has {job.state.lower()} already; only an open job is cancelled"
            )
        return job

    def is_cancel_requested(self, job_id: str) -> bool:
        """Whether somebody wished for the job's end while it ran."""
        return self._store.exists(_cancel_key(job_id))

    def record_data(self, job_id: str, sha256: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Record what an attempt has read, if it is the first; return what the first one has read."""
        key = f"jobs/{job_id}/data.json"
        record = DataRecord(sha256={task: dict(files) for task, files in sha256.items()})
        create_record(self._store, key, record)
        return DataRecord.from_bytes(self._store.get(key), key).sha256

    def checkpoints(self, job_id: str) -> Checkpoints:
        return Checkpoints(self._store, job_id)

    def job_ids(self) -> Sequence[str]:
        """Ids of all accepted jobs, in no meaningful order."""
        return [job_id for job_id in self._store.list("jobs") if self._store.exists(f"jobs/{job_id}/spec.json")]


def cancelled(worker: str = "") -> JobEntry:
    """The result of a job that was cancelled."""
    return JobEntry(kind="result", worker=worker, state=JobState.CANCELLED)


def _cancelled_unless_busy(entries: Sequence[JobEntry]) -> JobEntry | None:
    return cancelled() if not entries or entries[-1].kind == "failure" else None


def _cancel_key(job_id: str) -> str:
    return f"jobs/{job_id}/cancel.json"
