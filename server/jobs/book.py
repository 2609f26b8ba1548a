"""The server's view of jobs: accepts them into the store, rings the worker's doorbell, reads them back.

Every method blocks (store and Redis); the RPC layer runs them off the event loop. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from shared.continuing import base_violations
from shared.doorbell import Doorbell
from shared.errors import StoreError, UnavailableError, Violation
from shared.progress import JobProgress, ProgressBoard
from shared.spec import JobSpec
from shared.store.folder import FolderStore
from shared.store.jobs import Job, JobState, JobStore
from shared.store.releases import releases_log
from shared.store.versions import versions_log

log = structlog.get_logger(__name__)

#: Seconds in which a Redis that did not answer is not asked for progress again: each question may take a second.
PROGRESS_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with what its worker last said, and the version it became (0: not settled yet) with the gate's words."""

    job: Job
    progress: JobProgress | None
    version: int
    cancel_requested: bool = False
    verdict: str = ""
    is_released: bool = False

    @property
    def is_settled(self) -> bool:
        """Finished, and published if there is something to publish."""
        if self.job.result is None:
            return False
        return self.version > 0 or not (self.job.state is JobState.SUCCEEDED and self.job.result.artifact_id)


class JobBook:
    """All jobs of one store."""

    def __init__(self, store: FolderStore, doorbell: Doorbell, board: ProgressBoard) -> None:
        self._store = store
        self._jobs = JobStore(store)
        self._versions = versions_log(store)
        self._releases = releases_log(store)
        self._doorbell = doorbell
        self._board = board
        self._accepted_at: dict[str, str] = {}
        self._no_progress_until_s = 0.0
        self._lock = threading.Lock()

    def base_violations_blocking(self, body: Mapping[str, Any]) -> list[Violation]:
        """What stands against continuing from the version that a spec names, if it names one. Skips what is malformed.

        Raises:
            StoreError: if the store cannot be read.
        """
        return base_violations(self._store, body)

    def submit_blocking(self, request_id: str, spec: JobSpec, x_request_id: str = "") -> JobView:
        """Accept a job durably, then ring. Nothing is accepted while the queue is away.

        `x_request_id` is that of the call, for the logs of whoever works on the job.

        Raises:
            UnavailableError: if the queue does not answer.
            AlreadyExistsError: if the request id was used with another spec.
        """
        self._doorbell.ping()
        job, created = self._jobs.submit(request_id, spec, x_request_id)
        log.info("job accepted" if created else "job was accepted before", job_id=job.job_id)
        if created:
            try:
                self._doorbell.ring(job.job_id)
            except UnavailableError as error:
                # The job is accepted, and a worker rings again for jobs that nobody works on.
                log.warning("doorbell did not ring; a worker will find the job", job_id=job.job_id, error=str(error))
        return self._view(job)

    def get_blocking(self, job_id: str) -> JobView:
        """
        Raises:
            NotFoundError: if there is no such job.
        """
        return self._view(self._jobs.get(job_id))

    def cancel_blocking(self, job_id: str) -> JobView:
        """Cancel a queued job, or ask the worker of a running one to stop it.

        Raises:
            NotFoundError: if there is no such job.
            FailedPreconditionError: if it has ended otherwise.
        """
        return self._view(self._jobs.cancel(job_id))

    def find_blocking(self, job_id: str) -> JobView | None:
        """As `get_blocking`, but None for a job whose records cannot be read: one must not hide all others."""
        try:
            return self.get_blocking(job_id)
        except StoreError as error:
            log.warning("a job is left out of the list", job_id=job_id, error=str(error))
            return None

    def ids_by_age_blocking(self) -> list[str]:
        """Ids of all jobs, oldest first."""
        with self._lock:
            for job_id in self._jobs.job_ids():
                if job_id not in self._accepted_at:
                    self._remember(job_id)
            return sorted(self._accepted_at, key=lambda job_id: (self._accepted_at[job_id], job_id))

    def _remember(self, job_id: str) -> None:
        try:
            self._accepted_at[job_id] = self._jobs.get(job_id).accepted.created_at
        except StoreError as error:
            log.warning("a job is left out of the list", job_id=job_id, error=str(error))

    def _view(self, job: Job) -> JobView:
        if job.state is JobState.RUNNING:
            return JobView(job, self._progress(job), 0, self._jobs.is_cancel_requested(job.job_id))
        if job.state is not JobState.SUCCEEDED:
            return JobView(job, None, 0)
        release = next((entry for entry in self._releases.entries() if entry.job_id == job.job_id), None)
        if release is None:  # what becomes of the version is not settled yet
            return JobView(job, None, 0)
        version = next((n for n, entry in enumerate(self._versions.entries(), 1) if entry.job_id == job.job_id), 0)
        return JobView(job, None, version, verdict=release.verdict, is_released=release.stable == version)

    def _progress(self, job: Job) -> JobProgress | None:
        """What the running attempt last reported; nothing while Redis is away: progress is a courtesy."""
        if time.monotonic() < self._no_progress_until_s:
            return None
        try:
            progress = self._board.read(job.job_id)
        except UnavailableError as error:
            self._no_progress_until_s = time.monotonic() + PROGRESS_PAUSE_S
            log.warning("no progress of jobs can be told", error=str(error))
            return None
        return progress if progress is not None and progress.claim == len(job.log) else None
