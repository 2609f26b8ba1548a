"""A lease: the Redis key that says who may work on a job right now.

Owns the key's life: taken only if it is free, renewed and released only while it holds this lease's id. It keeps two
workers from doing the same work; that nothing is published twice is the job log's doing (docs/decisions/0002), so a
lease may be wrong for a while and cost time, never correctness. Thread-safe. Blocking, at most TIMEOUT_S a call.
"""

from __future__ import annotations

import redis
import structlog

from shared.errors import UnavailableError
from shared.redis_client import answering
from shared.store.records import new_id

_log = structlog.get_logger(__name__)

# Held: only the time is set, which a Redis that is full still does. Lost: a flushed Redis has lost the key although
# nobody else took it; whoever claimed meanwhile is seen in the job's log.
_RENEW = """
local holder = redis.call('get', KEYS[1])
if holder == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
if holder then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class LeaseOffice:
    """Gives out leases, and says which are held."""

    def __init__(self, client: redis.Redis, redis_url: str, ttl_s: float) -> None:
        self.client = client
        self.url = redis_url
        self.ttl_s = ttl_s

    def take(self, name: str) -> Lease | None:
        """The lease on a job (or another name), or None while somebody else holds it.

        Raises:
            UnavailableError: if Redis does not answer; then nobody works on it.
        """
        lease = Lease(self, _key(name))
        return lease if lease.take() else None

    def is_held(self, name: str) -> bool:
        """
        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self.url):
            return bool(self.client.exists(_key(name)))


class Lease:
    """Held from a successful `take` until `release`, or until it was not renewed for `ttl_s`."""

    def __init__(self, office: LeaseOffice, key: str) -> None:
        self._office = office
        self._key = key
        self._holder = new_id()
        self.ttl_s = office.ttl_s
        self._ttl_ms = int(office.ttl_s * 1000)

    def take(self) -> bool:
        with answering(self._office.url):
            return bool(self._office.client.set(self._key, self._holder, nx=True, px=self._ttl_ms))

    def renew(self) -> bool:
        """False if somebody else holds it now.

        Raises:
            UnavailableError: if Redis does not answer.
        """
        with answering(self._office.url):
            return bool(self._office.client.eval(_RENEW, 1, self._key, self._holder, self._ttl_ms))

    def release(self) -> None:
        """
        Raises:
            UnavailableError: if Redis does not answer; then it runs out by itself.
        """
        with answering(self._office.url):
            self._office.client.eval(_RELEASE, 1, self._key, self._holder)


def release_quietly(lease: Lease) -> None:
    """Release a lease; if Redis does not answer, it runs out by itself."""
    try:
        lease.release()
    except UnavailableError as error:
        _log.warning("a lease could not be released and runs out by itself", reason=str(error))


def _key(name: str) -> str:
    return f"polyhead:lease:{name}"
