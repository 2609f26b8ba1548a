"""Every job of the store as far as it is known, without reading what cannot change any more.

Owns which jobs are open: accepted and not finished, or succeeded with an artifact and not yet released. A finished job
leaves the ledger for good when it is settled, so a look costs one listing and a file or two for each open job, however
many are done.
Thread-safe. Blocking.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from shared.errors import NotFoundError, StoreError
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState, JobStore
from shared.store.log import DenseLog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that still needs somebody: its state follows from the log's last entry."""

    job_id: str
    accepted_at: str
    log: DenseLog[JobEntry]
    last: JobEntry | None


class JobLedger:
    """One for a process: the caretaker and the supervisor share it."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self._jobs = JobStore(store)
        self._lock = threading.Lock()
        self._settled: set[str] = set()
        self._logs: dict[str, tuple[str, DenseLog[JobEntry]]] = {}
        self._complained: set[str] = set()

    def settle(self, job_ids: Iterable[str]) -> None:
        """These jobs are finished and, if they succeeded, released: never look at them again."""
        with self._lock:
            for job_id in job_ids:
                self._settled.add(job_id)
                self._logs.pop(job_id, None)

    def unfinished(self) -> list[OpenJob]:
        """Accepted jobs without a result, oldest first.

        Raises:
            StoreError: if the store cannot be listed. A job that cannot be read is logged and left out.
        """
        waiting = [job for job in self._open() if job.last is None or job.last.kind != "result"]
        return sorted(waiting, key=lambda job: (job.accepted_at, job.job_id))

    def succeeded(self) -> list[tuple[str, JobEntry]]:
        """Results that may not be published yet, oldest first.

        Raises:
            StoreError: as `unfinished`.
        """
        results = [(job.job_id, job.last) for job in self._open() if job.last and job.last.kind == "result"]
        return sorted(results, key=lambda pair: (pair[1].created_at, pair[0]))

    def _open(self) -> Sequence[OpenJob]:
        with self._lock:
            jobs = []
            for job_id in self._store.list("jobs"):
                if job_id not in self._settled:
                    job = self._read(job_id)
                    if job is not None:
                        jobs.append(job)
            return jobs

    def _read(self, job_id: str) -> OpenJob | None:
        try:
            if job_id not in self._logs:
                self._logs[job_id] = (self._jobs.get(job_id).accepted.created_at, self._jobs.log(job_id))
            accepted_at, log = self._logs[job_id]
            entries = log.entries()
        except NotFoundError:  # a folder whose spec was never written: the job was not accepted
            return None
        except StoreError as error:
            if job_id not in self._complained:
                self._complained.add(job_id)
                _log.error("a job cannot be read", job_id=job_id, reason=str(error))
            return None
        last = entries[-1] if entries else None
        if last and last.kind == "result" and (last.state != JobState.SUCCEEDED or not last.artifact_id):
            self._settled.add(job_id)
            self._logs.pop(job_id)
            return None
        return OpenJob(job_id, accepted_at, log, last)
