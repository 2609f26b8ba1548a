"""The Celery task: decodes the message, calls the supervisor, logs expected errors. No work of its own."""

from __future__ import annotations

from typing import Any

import structlog

from shared.doorbell import TASK
from shared.errors import PolyheadError
from worker.supervision.supervisor import Supervisor

_log = structlog.get_logger(__name__)


def register(celery: Any, supervisor: Supervisor) -> None:
    """Add the task to a Celery app. It runs in the pool's only thread."""

    def run_job(job_id: str) -> None:
        try:
            supervisor.run_job(job_id)
        except PolyheadError as error:
            # Nothing is lost: the store knows the job, and a caretaker rings again.
            _log.error("the job was left", job_id=job_id, code=error.code, reason=str(error))

    celery.task(run_job, name=TASK)
