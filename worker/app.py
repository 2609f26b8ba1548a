"""The worker's composition root: builds every part, starts them in order, stops them in time.

Owns the Celery worker (one thread, one message at a time, no results) and this process's signals. Imports no torch.
Celery's bare WorkController is used, since the full program would also install a restart by SIGHUP, a banner and
logging of its own. The main thread runs Celery's event loop, one pool thread supervises trainers, the caretaker and
the base publication have a thread each.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import structlog
from celery.worker import WorkController
from celery.worker import state as celery_state

from shared.doorbell import QUEUE, Doorbell, celery_client
from shared.progress import ProgressBoard
from shared.redis_client import connect
from shared.store.folder import FolderStore
from shared.store.jobs import JobStore
from worker.caretaker import Caretaker
from worker.checkpoint_sweep import CheckpointSweep
from worker.gate.rematch import REMATCH_COMMAND, Rematch, RematchInput
from worker.hearing import Hearing
from worker.heartbeat import Heartbeat
from worker.job_ledger import JobLedger
from worker.publishing.base_publication import BasePublication, base_artifact_command
from worker.publishing.publisher import Publisher
from worker.settings import WorkerSettings
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal
from worker.supervision.supervisor import TRAINER_COMMAND, Supervisor, TrainerSettings
from worker.tasks import register

_log = structlog.get_logger(__name__)

#: A stop that takes longer is cut short: Celery's own may wait for a broker that is away. Trainers die with us.
STOP_WITHIN_S = 8.0


class WorkerProcess:
    """Built, then `run` once from the main thread; it returns after SIGTERM or SIGINT."""

    def __init__(
        self,
        settings: WorkerSettings,
        store: FolderStore,
        trainer_command: Sequence[str] = TRAINER_COMMAND,
        rematch_command: Sequence[str] = REMATCH_COMMAND,
    ) -> None:
        """`store` is the one that the settings name; the commands speak worker.training.protocol and worker.gate."""
        url = settings.redis_url.get_secret_value()
        self.stop = StopSignal()
        self._redis = connect(url)
        self._doorbell = Doorbell(url)
        self._board = ProgressBoard(url)
        leases = LeaseOffice(self._redis, url, settings.worker_lease_ttl_s)
        ledger = JobLedger(store)
        publisher = Publisher(
            store, ledger, Rematch(_rematch_settings(settings), leases, self.stop, rematch_command).judge
        )
        self._base = BasePublication(
            store,
            leases,
            base_artifact_command(settings.store_url, settings.base_model),
            settings.num_threads,
            self.stop,
        )
        supervisor = Supervisor(
            JobStore(store),
            publisher.roll_forward,
            leases,
            self._doorbell,
            self._board,
            _trainer_settings(settings),
            self.stop,
            trainer_command,
        )
        self._caretaker = Caretaker(
            ledger,
            publisher,
            CheckpointSweep(store),
            leases,
            self._doorbell,
            Heartbeat(self._redis, url, settings.worker_sweep_s),
            Hearing(self._doorbell, lambda: supervisor.idle_s, self._give_up),
            settings.worker_sweep_s,
            self.stop,
        )
        self._exit_status = 0
        self._celery = _celery_worker_app(url)
        register(self._celery, supervisor)

    def run(self) -> int:
        """Work until a signal asks to stop; then end within STOP_WITHIN_S. The exit status: 0 after a clean stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._end_in_time, name="end-in-time", daemon=True).start()
        self._base.start()
        self._caretaker.start()
        controller = WorkController(
            app=self._celery, queues=[QUEUE], without_gossip=True, without_mingle=True, without_heartbeat=True
        )
        controller.start()
        # Also when Celery gave up by itself.
        self.stop.request()
        self._base.join(STOP_WITHIN_S)
        self._caretaker.join(STOP_WITHIN_S)
        self._doorbell.close()
        self._board.close()
        self._redis.close()
        status = self._exit_status or controller.exitcode or 0
        _log.info("worker stopped", status=status)
        return status

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._end()

    def _give_up(self) -> None:
        self._exit_status = 1
        self._end()

    def _end(self) -> None:
        self.stop.request()
        celery_state.should_stop = self._exit_status

    def _end_in_time(self) -> None:
        self.stop.wait()
        time.sleep(STOP_WITHIN_S)
        _log.warning("the stop took too long and is cut short", limit_s=STOP_WITHIN_S)
        os._exit(1)


def _trainer_settings(settings: WorkerSettings) -> TrainerSettings:
    return TrainerSettings(
        store_url=settings.store_url,
        base_model=settings.base_model,
        data_roots=tuple(str(root) for root in settings.worker_data_roots),
        threads=settings.num_threads,
        device=settings.worker_device,
        max_attempts=settings.worker_max_attempts,
        checkpoint_s=settings.worker_checkpoint_s,
    )


def _rematch_settings(settings: WorkerSettings) -> RematchInput:
    return RematchInput(
        store_url=settings.store_url,
        data_roots=tuple(str(root) for root in settings.worker_data_roots),
        threads=settings.num_threads,
        device=settings.worker_device,
    )


def _celery_worker_app(redis_url: str) -> Any:
    app = celery_client(redis_url)
    app.conf.update(
        worker_pool="threads",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        # A message that waited in a busy worker would keep its job from an idle one.
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
    )
    return app
