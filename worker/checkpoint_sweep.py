"""Deletes what finished jobs left of their checkpoints: those of cancelled jobs, of attempts that were fenced off.

The supervisor deletes a job's checkpoints when it has recorded the result; this finds what no supervisor saw end.
Called by the caretaker's thread. Blocking.
"""

from __future__ import annotations

import structlog

from shared.errors import StoreError
from shared.store.folder import FolderStore
from shared.store.jobs import JobStore

_log = structlog.get_logger(__name__)


class CheckpointSweep:
    """Looks at each finished job once, at unfinished ones every time."""

    def __init__(self, store: FolderStore) -> None:
        self._jobs = JobStore(store)
        self._clean: set[str] = set()

    def sweep(self) -> None:
        """
        Raises:
            StoreError: if the store cannot be listed. A job that cannot be read or cleaned is logged and left.
        """
        for job_id in self._jobs.job_ids():
            if job_id not in self._clean:
                try:
                    self._look_at(job_id)
                except StoreError as error:
                    _log.warning("the checkpoints of a job cannot be removed", job_id=job_id, reason=str(error))
                    self._clean.add(job_id)

    def _look_at(self, job_id: str) -> None:
        if self._jobs.get(job_id).is_finished:
            self._jobs.checkpoints(job_id).remove_all()
            self._clean.add(job_id)
