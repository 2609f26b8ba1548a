"""The doorbell: a message in a Redis queue that says "there is work", and nothing else.

Owns what server and workers share about the queue: its name, the task's name, and the key that keeps it at one message
a job. The store is the truth: a lost message is rung again by any worker, a double one is harmless. Server and worker
ring as Celery clients, by name. Thread-safe. Every method may block for a few TIMEOUT_S: call it off the event loop.

A job's key exists from ring to receipt. It outlives any queue that moves; when the queue is empty although the key is
there, the message was lost, and the key is left to run out in LOST_S. Redis 7 or newer (EXPIRE with LT and GT).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from shared.errors import UnavailableError
from shared.redis_client import TIMEOUT_S, answering, connect
from shared.settings import redact_url

TASK = "polyhead.run_job"
QUEUE = "polyhead.jobs"
#: A message may wait this long while no worker lives, and is still not doubled.
KEY_TTL_S = 7 * 24 * 3600
#: A key whose message is not in the queue runs out after this many seconds; receipt takes milliseconds.
LOST_S = 15


class Doorbell:
    """Rings for jobs. Close it at the end."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._redis = connect(redis_url)
        self._celery = celery_client(redis_url)

    def ping(self) -> None:
        """
        Raises:
            UnavailableError: within about TIMEOUT_S, if Redis does not answer.
        """
        with answering(self._url):
            self._redis.ping()

    def ring(self, job_id: str) -> bool:
        """Queue a message for the job; False if one is queued already.

        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            if not self._redis.set(_key(job_id), "rung", nx=True, ex=KEY_TTL_S):
                return False
            try:
                self._celery.send_task(TASK, args=[job_id], queue=QUEUE, ignore_result=True, retry=False)
            except (OperationalError, redis.RedisError, OSError) as error:
                self._redis.delete(_key(job_id))
                raise UnavailableError(f"Redis at {redact_url(self._url)} took no message: {error}") from error
        return True

    def received(self, job_id: str) -> None:
        """A worker has the message: from now on the job may be rung again.

        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            self._redis.delete(_key(job_id))

    def tend(self, job_ids: Iterable[str]) -> None:
        """Keep the keys of waiting jobs while messages are queued; let them run out when the queue is empty.

        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            is_empty = self.queue_length() == 0
            pipe = self._redis.pipeline(transaction=False)
            for job_id in job_ids:
                if is_empty:
                    pipe.expire(_key(job_id), LOST_S, lt=True)
                else:
                    pipe.expire(_key(job_id), KEY_TTL_S, gt=True)
            pipe.execute()

    def queue_length(self) -> int:
        """Messages that no worker has taken yet.

        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            return int(self._redis.llen(QUEUE))

    def close(self) -> None:
        self._celery.close()
        self._redis.close()


def celery_client(redis_url: str) -> Any:
    """A Celery app for the queue, as both ends configure it: JSON only, no results, short timeouts."""
    app = Celery("polyhead", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=QUEUE,
        broker_transport_options={
            "socket_timeout": 5 * TIMEOUT_S,
            "socket_connect_timeout": TIMEOUT_S,
            "socket_keepalive": True,
            "socket_keepalive_options": _keepalive(),
        },
    )
    return app


def _keepalive() -> dict[int, int]:
    """Notice within a minute that a connection was dropped without a word; the system's default is two hours."""
    wanted = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def _key(job_id: str) -> str:
    return f"polyhead:doorbell:{job_id}"
