"""The sign of life that a container's health check looks for: a Redis key that runs out unless it is renewed.

Owns the key. Written by the caretaker's thread, read by worker.health in a process of its own.
"""

from __future__ import annotations

import socket

import redis

from shared.redis_client import answering

#: Sweeps that may be missed before the worker counts as dead.
_MISSED_SWEEPS = 6


class Heartbeat:
    """One for each host name: a container runs one worker."""

    def __init__(self, client: redis.Redis, redis_url: str, sweep_s: float, host: str | None = None) -> None:
        self._client = client
        self._url = redis_url
        self._ttl_ms = int(max(sweep_s, 1.0) * 1000 * _MISSED_SWEEPS)
        self._key = f"polyhead:worker:{host or socket.gethostname()}"

    def beat(self) -> None:
        """
        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            self._client.set(self._key, "alive", px=self._ttl_ms)

    def is_fresh(self) -> bool:
        """
        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._url):
            return bool(self._client.exists(self._key))
