"""The supervisor: takes a job's lease, claims it, has it trained, records how that ended, publishes.

Owns what is written into jobs/<id>/log/ by workers: claims, failures, results. An attempt holds claim k and ends by
creating k+1; if somebody else created k+1, it has lost, writes nothing and deletes nothing (docs/decisions/0002, 0005).
Runs in one thread at a time, the one that must outlive the trainer.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import structlog

from shared.doorbell import Doorbell
from shared.errors import NotFoundError, StoreError, UnavailableError
from shared.progress import ProgressBoard
from shared.store.jobs import JobEntry, JobState, JobStore, cancelled
from shared.store.log import DenseLog
from worker.supervision.attempt import Abandoned, Attempt, Cancelled, Outcome
from worker.supervision.lease import Lease, LeaseOffice, release_quietly
from worker.supervision.stop_signal import StopSignal
from worker.training.protocol import Failure, Result, TrainerInput

_log = structlog.get_logger(__name__)

TRAINER_COMMAND = (sys.executable, "-m", "worker.training")
WORKER_LOST = "WORKER_LOST"
#: Claims in a row without any outcome, after which a job has failed: its trainer may be what brings workers down (a
#: machine without memory left), and would do so for ever. Clean stops write nothing, so they count too; ten of them
#: within one attempt are ten deployments during one training, far more than anybody makes by intention.
MAX_LOST_CLAIMS = 10
#: Pause before the store is asked again to take an attempt's end.
_STORE_RETRY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """What every attempt of this worker has in common."""

    store_url: str
    base_model: str
    data_roots: tuple[str, ...]
    threads: int
    device: str
    max_attempts: int
    checkpoint_s: float = 0.0


class Supervisor:
    """Runs jobs, one at a time. A stop request ends the running one within seconds and leaves it to the next worker."""

    def __init__(
        self,
        jobs: JobStore,
        roll_forward: Callable[[], None],
        leases: LeaseOffice,
        doorbell: Doorbell,
        board: ProgressBoard,
        settings: TrainerSettings,
        stop: StopSignal,
        command: Sequence[str] = TRAINER_COMMAND,
    ) -> None:
        """`roll_forward` publishes what results lack; `command` starts a trainer, see worker.training.protocol."""
        self._jobs = jobs
        self._roll_forward = roll_forward
        self._leases = leases
        self._doorbell = doorbell
        self._board = board
        self._settings = settings
        self._stop = stop
        self._command = command
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._is_busy = False
        self._active_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since it last had something to do; 0 while it has. For other threads."""
        return 0.0 if self._is_busy else time.monotonic() - self._active_at

    def run_job(self, job_id: str) -> None:
        """Do for the job what can be done now; nothing, if somebody else is at it.

        Raises:
            UnavailableError: if Redis does not answer; then nothing was claimed.
            StoreError: if the store cannot be read or written.
        """
        self._is_busy = True
        try:
            self._run(job_id)
        finally:
            structlog.contextvars.unbind_contextvars("x_request_id")
            self._active_at = time.monotonic()
            self._is_busy = False

    def _run(self, job_id: str) -> None:
        self._doorbell.received(job_id)
        try:
            job = self._jobs.get(job_id)
        except NotFoundError:
            _log.warning("the doorbell rang for a job that the store does not have", job_id=job_id)
            return
        # Whatever this thread logs of the job carries the id of the call that brought it.
        structlog.contextvars.bind_contextvars(x_request_id=job.accepted.x_request_id)
        if job.is_finished:
            self._roll_forward()
            return
        if self._stop.is_requested:
            return
        lease = self._leases.take(job_id)
        if lease is None:
            _log.info("another worker holds the job's lease", job_id=job_id)
            return
        try:
            must_continue = self._work(job_id, lease)
        finally:
            release_quietly(lease)
        if must_continue:
            self._ring_again(job_id)

    def _work(self, job_id: str, lease: Lease) -> bool:
        """Claim, train, record; True if the job needs another attempt."""
        log = self._jobs.log(job_id)
        claim = self._claim(job_id, log)
        if claim is None:
            return False
        settings = self._settings
        work = TrainerInput(
            store_url=settings.store_url,
            job_id=job_id,
            claim=claim,
            base_model=settings.base_model,
            data_roots=settings.data_roots,
            threads=settings.threads,
            device=settings.device,
            checkpoint_s=settings.checkpoint_s,
        )
        attempt = Attempt(
            work,
            lease,
            self._board,
            is_outrun=lambda: len(log.entries()) > claim,
            is_cancelled=lambda: self._jobs.is_cancel_requested(job_id),
            stop=self._stop,
        )
        outcome = attempt.run(self._command)
        if isinstance(outcome, Abandoned):
            return True
        entry = self._entry(job_id, outcome, log)
        if self._record(log, claim, entry, job_id) and entry.kind == "result":
            self._roll_forward()
            self._drop_checkpoints(job_id)
            return False
        return entry.kind == "failure"

    def _drop_checkpoints(self, job_id: str) -> None:
        """Nobody goes on from them any more; what cannot be deleted now is left to a later start of a worker."""
        try:
            self._jobs.checkpoints(job_id).remove_all()
        except StoreError as error:
            _log.warning("checkpoints of a finished job are left", job_id=job_id, reason=str(error))

    def _claim(self, job_id: str, log: DenseLog[JobEntry]) -> int | None:
        """Append a claim; None if the job is finished, cancelled or has no attempt left.

        The lease is ours: a claim that ends the log is one whose lease has run out.
        """

        def decide(entries: Sequence[JobEntry]) -> JobEntry | None:
            if entries and entries[-1].kind == "result":
                return None
            if self._jobs.is_cancel_requested(job_id):
                return cancelled(self._worker)
            failures = [entry for entry in entries if entry.kind == "failure"]
            if len(failures) >= self._settings.max_attempts:
                return self._failed(failures[-1].error_code, failures[-1].error_message)
            if num_lost_claims(entries) >= MAX_LOST_CLAIMS:
                return self._failed(WORKER_LOST, _LOST)
            return JobEntry(kind="claim", worker=self._worker)

        number = log.append(decide)
        return number if number is not None and log.entries()[number - 1].kind == "claim" else None

    def _entry(self, job_id: str, outcome: Outcome, log: DenseLog[JobEntry]) -> JobEntry:
        # Also if the trainer ended by itself meanwhile: who cancelled a job does not expect it to be published.
        if isinstance(outcome, Cancelled) or self._jobs.is_cancel_requested(job_id):
            return cancelled(self._worker)
        if isinstance(outcome, Result):
            return JobEntry(
                kind="result",
                worker=self._worker,
                state=JobState.SUCCEEDED,
                artifact_id=outcome.artifact_id,
                manifest_sha256=outcome.manifest_sha256,
                metrics=outcome.metrics,
                report=outcome.report,
            )
        assert isinstance(outcome, Failure)
        num_failures = 1 + sum(entry.kind == "failure" for entry in log.entries())
        if outcome.retryable and num_failures < self._settings.max_attempts:
            return JobEntry(kind="failure", worker=self._worker, error_code=outcome.code, error_message=outcome.message)
        return self._failed(outcome.code, outcome.message)

    def _failed(self, code: str, message: str) -> JobEntry:
        return JobEntry(
            kind="result", worker=self._worker, state=JobState.FAILED, error_code=code, error_message=message
        )

    def _record(self, log: DenseLog[JobEntry], claim: int, entry: JobEntry, job_id: str) -> bool:
        """Append the end of the attempt, if the log still ends in its claim. Waits for a store that is away.

        A store may fail after it has written: then the next try finds its own entry behind the claim.
        """
        while True:
            try:
                number = log.append(lambda entries: entry if len(entries) == claim else None)
                is_recorded = number is not None or _is_written(log, claim, entry)
                break
            except StoreError as error:
                _log.error("the end of an attempt cannot be recorded; trying again", job_id=job_id, reason=str(error))
                if self._stop.wait(_STORE_RETRY_S):
                    raise
        if not is_recorded:
            _log.warning("somebody else went on with the job; this attempt's outcome is dropped", job_id=job_id)
            return False
        state = entry.state or JobState.QUEUED
        _log.info("attempt ended", job_id=job_id, state=str(state), error=entry.error_message or None)
        return True

    def _ring_again(self, job_id: str) -> None:
        try:
            self._doorbell.ring(job_id)
        except UnavailableError as error:
            _log.warning("the doorbell did not ring; a caretaker will ring it", job_id=job_id, reason=str(error))


_LOST = (
    f"{MAX_LOST_CLAIMS} workers in a row died or vanished while they ran this job (or were stopped); see their logs "
    "(often: out of memory) and submit the job again with a new request_id"
)


def num_lost_claims(entries: Sequence[JobEntry]) -> int:
    """Claims at the end of the log: none of them ended in a failure or a result."""
    return sum(1 for _ in takewhile(lambda entry: entry.kind == "claim", reversed(entries)))


def _is_written(log: DenseLog[JobEntry], claim: int, entry: JobEntry) -> bool:
    """Whether the entry right behind the claim is this very one."""
    return any(there.writer == entry.writer for there in log.entries()[claim : claim + 1])
