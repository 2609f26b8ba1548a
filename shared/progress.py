"""A running job's progress, passed from its worker to the server through Redis. Best effort: it may be missing or old.

Owns the key and the shape. Thread-safe. Every method may block for TIMEOUT_S: call it off the event loop.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.redis_client import answering, connect
from shared.trials import SearchProgress

#: Longer than any pause between two reports of a trainer (the baselines of a large data set).
TTL_S = 3600


class JobProgress(BaseModel):
    """What a trainer last reported. Fields as in proto/polyhead/v1/training.proto."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The log entry of the attempt that reports: progress of an older attempt is not the job's.
    claim: int
    stage: str
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    loss_by_task: dict[str, float] = {}
    examples_per_s: float = 0.0
    eta_s: float = 0.0
    thawed: str = ""
    trainable_share: float = 0.0
    search: SearchProgress | None = None
    resumed_at: int = 0
    best_step: int = 0
    best_value: float = 0.0


class ProgressBoard:
    """Writes and reads the progress of jobs. Close it at the end."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._redis = connect(redis_url)

    def write(self, job_id: str, progress: JobProgress) -> None:
        """
        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            self._redis.set(_key(job_id), progress.model_dump_json(), ex=TTL_S)

    def read(self, job_id: str) -> JobProgress | None:
        """The last report, or None. Check its `claim` against the job's log.

        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            body = self._redis.get(_key(job_id))
        try:
            return JobProgress.model_validate_json(str(body)) if body else None
        except ValidationError:  # written by a newer worker: progress is a courtesy, not a reason to fail
            return None

    def close(self) -> None:
        self._redis.close()


def _key(job_id: str) -> str:
    return f"polyhead:progress:{job_id}"
