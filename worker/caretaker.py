"""The caretaker: publishes what results still lack, rings again for jobs that nobody works on, tidies up.

Owns two threads that work at start and every `sweep_s`. Whatever goes wrong with store or Redis is logged and tried
again: they end only when the worker stops.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from shared.doorbell import Doorbell
from shared.errors import PolyheadError
from worker.checkpoint_sweep import CheckpointSweep
from worker.hearing import Hearing
from worker.heartbeat import Heartbeat
from worker.job_ledger import JobLedger, OpenJob
from worker.publishing.publisher import Publisher
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal

_log = structlog.get_logger(__name__)


class Caretaker:
    """Idle until `start`; ends within seconds of a stop."""

    def __init__(
        self,
        ledger: JobLedger,
        publisher: Publisher,
        checkpoints: CheckpointSweep,
        leases: LeaseOffice,
        doorbell: Doorbell,
        heartbeat: Heartbeat,
        hearing: Hearing,
        sweep_s: float,
        stop: StopSignal,
    ) -> None:
        self._ledger = ledger
        self._leases = leases
        self._doorbell = doorbell
        # Rolling forward lasts as long as a gate that runs again: the sign of life must not wait for it.
        self._threads = [
            self._thread("caretaker", heartbeat.beat, self.ring_for_waiting_jobs, hearing.check),
            self._thread("roll-forward", publisher.roll_forward, checkpoints.sweep),
        ]
        self._sweep_s = sweep_s
        self._stop = stop
        self._leaseless_since: dict[str, float] = {}
        self._troubles: dict[str, str] = {}

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> None:
        for thread in self._threads:
            thread.join(timeout_s)

    def _thread(self, name: str, *duties: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._run, args=duties, name=name, daemon=True)

    def _run(self, *duties: Callable[[], None]) -> None:
        while True:
            for duty in duties:
                self._attempt(duty)
            if self._stop.wait(self._sweep_s):
                return

    def _attempt(self, duty: Callable[[], None]) -> None:
        """Do it; log what went wrong when it begins, changes and ends, not at every sweep."""
        name, reason = duty.__qualname__, ""
        try:
            duty()
        except PolyheadError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a bug in one duty must not end the others
            reason = f"{type(error).__name__}: {error}"
            if reason != self._troubles.get(name):
                _log.exception("a bug in caretaking", duty=name)
        before = self._troubles.pop(name, "")
        if reason:
            self._troubles[name] = reason
        if reason != before:
            if reason:
                _log.warning("caretaking does not work now and is tried again", duty=name, reason=reason)
            else:
                _log.info("caretaking works again", duty=name)

    def ring_for_waiting_jobs(self) -> None:
        """Ring for every accepted job that nobody works on, oldest first: queued, or claimed and long without a lease.

        Raises:
            StoreError: if the store cannot be listed.
            UnavailableError: if Redis does not answer.
        """
        unfinished = self._ledger.unfinished()
        leaseless = [job.job_id for job in unfinished if is_claimed(job) and not self._leases.is_held(job.job_id)]
        now = time.monotonic()
        self._leaseless_since = {job_id: self._leaseless_since.get(job_id, now) for job_id in leaseless}
        # A flushed Redis loses the leases of jobs that are well; their supervisors bring them back in this time.
        abandoned = {job_id for job_id, since in self._leaseless_since.items() if now - since > self._leases.ttl_s / 2}
        waiting = [job.job_id for job in unfinished if not is_claimed(job) or job.job_id in abandoned]
        for job_id in waiting:
            if self._doorbell.ring(job_id):
                _log.info("rang for a waiting job", job_id=job_id)
        if waiting:
            self._doorbell.tend(waiting)


def is_claimed(job: OpenJob) -> bool:
    """Somebody works on it, or did until a lease ran out."""
    return job.last is not None and job.last.kind == "claim"
