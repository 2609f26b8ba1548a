"""Whether a call that computes may come in: decided before its message is parsed, since under an overload most are not.

Owns the number of calls that each client has open. A client is the value of its `x-client-id` metadata, or else its
address without the port. Runs on the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from server.batching.admission import Admission
from server.batching.stats import BatchingStats
from shared.errors import QueueFullError

Context = grpc.aio.ServicerContext[Any, Any]

CLIENT_ID_KEY = "x-client-id"
#: A client that has too many calls open is told to wait this long; its own calls end when they end.
CLIENT_RETRY_S = 0.1

_SERVICES = ("/polyhead.v1.InferenceService/",)
_METHODS = ("/inference.GRPCInferenceService/ModelInfer",)


def is_gated(method: str) -> bool:
    """Whether calls of that method compute."""
    return method.startswith(_SERVICES) or method in _METHODS


class Gate:
    """`max_calls_per_client` 0: no bound."""

    def __init__(self, admission: Admission, stats: BatchingStats, max_calls_per_client: int) -> None:
        self._admission = admission
        self._stats = stats
        self._max_calls = max_calls_per_client
        self._num_calls: Counter[str] = Counter()

    @contextmanager
    def call(self, body: bytes | None, context: Context) -> Iterator[None]:
        """Around a call; `body` is None for a stream, which waits for room by itself.

        Raises:
            QueueFullError: if it may not come in.
        """
        if body is not None:
            self._admission.check(len(body), context.time_remaining())
        if not self._max_calls:
            yield
            return
        client = _client_of(context)
        if self._num_calls[client] >= self._max_calls:
            self._stats.refused["client"] += 1
            raise QueueFullError(
                f"client {client!r} has {self._max_calls} calls open, the most that this server takes of one client",
                CLIENT_RETRY_S,
            )
        self._num_calls[client] += 1
        try:
            yield
        finally:
            self._num_calls[client] -= 1
            if not self._num_calls[client]:
                del self._num_calls[client]


def _client_of(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == CLIENT_ID_KEY:
            return str(value)
    # ipv4:127.0.0.1:4711, ipv6:%5B::1%5D:4711, unix:path
    peer = context.peer()
    return peer.rpartition(":")[0] if peer.startswith("ip") else peer
