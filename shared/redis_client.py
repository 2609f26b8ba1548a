"""One way to talk to Redis: short timeouts, no hidden retries, our own error.

Owns the connection's settings and the translation of its errors. Redis is a queue and a doorbell, never the truth
(the store is), so every caller can go on without it and nobody may wait for it long. Thread-safe. Blocking.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import UnavailableError
from shared.settings import redact_url

#: Seconds until a connection attempt or an answer is given up. Redis answers in well under a millisecond.
TIMEOUT_S = 1.0


def connect(redis_url: str) -> redis.Redis:
    """A client that connects when it is first used. The library's own retries (several seconds) are switched off."""
    return redis.Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def answering(redis_url: str) -> Iterator[None]:
    """Turn the library's errors into ours.

    Raises:
        UnavailableError: if Redis does not answer.
    """
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(f"Redis at {redact_url(redis_url)} does not answer: {error}") from error
