"""A connection to a server, thread-safe: the channel, how a call is made, and waiting for a server's health."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from polyhead.calls.lifetime import Lifetime
from polyhead.channel import (
    DEFAULT_KEEPALIVE_S,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_S,
    ChannelSettings,
)
from polyhead.errors import CallError
from polyhead.retrying import DEFAULT_RETRIES, Tries, check_retries
from polyhead.statuses import HEALTH_PAUSE_S, NOBODY, is_passing, not_ready_error
from polyhead.targets import split
from polyhead.timeouts import check_timeout, grpc_timeout
from polyhead.v1 import inference_pb2_grpc, models_pb2_grpc, training_pb2_grpc

R = TypeVar("R")


class Connection:
    """What the calls of all services share. Owns one channel and turns failed calls into polyhead.errors."""

    def __init__(
        self,
        target: str | Sequence[str] = DEFAULT_TARGET,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        keepalive_s: float = DEFAULT_KEEPALIVE_S,
        credentials: grpc.ChannelCredentials | None = None,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        """`target`: a server, or several that take turns: a list, `a:50051,b:50051`, or `dns:///name:50051`.

        `retries`: how often a call that may be repeated is tried again, within its timeout; 0: never.
        `timeout_s`: of each call that names no other; inf: no deadline. `keepalive_s`: between two pings; inf: none.

        Raises:
            InvalidArgumentError: if `target` or a number is nothing to begin with.
            UnavailableError: if one of several servers has a name that leads nowhere.
        """
        targets = split(target)
        self.target = ",".join(targets)
        self._timeout_s = check_timeout(timeout_s)
        self._retries = check_retries(retries)
        self._lifetime = Lifetime(self.target)
        self._channel = ChannelSettings(targets, max_message_bytes, keepalive_s, credentials).open()
        # All at once: made of a channel that is closed by then, a stub crashes the interpreter (grpcio 1.85.1).
        self._inference = inference_pb2_grpc.InferenceServiceStub(self._channel)
        self._training = training_pb2_grpc.TrainingServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> Self:
        self._lifetime.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Calls still open, and those begun later, raise CallCancelledError."""
        self._lifetime.end()
        self._channel.close()

    def wait_until_ready(self, timeout_s: float = 60.0, service: str = "") -> None:
        """Return once the server's health says SERVING; `service` names one, such as INFERENCE_SERVICE.

        Raises:
            UnavailableError: if that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + check_timeout(timeout_s)
        last = NOBODY
        while (left_s := deadline - time.monotonic()) > 0:
            request = health_pb2.HealthCheckRequest(service=service)
            watched = self._lifetime.stream(self._health.Watch, request, left_s, wait_for_ready=True)
            try:
                with watched as call:
                    for answer in call:
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            return
                        last = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            except CallError as failed:
                if self._lifetime.is_over or not is_passing(failed):
                    raise
            self._lifetime.pause(min(HEALTH_PAUSE_S, max(0.0, deadline - time.monotonic())))
        raise not_ready_error(self.target, service, timeout_s, last)

    def _call(
        self, method: Callable[..., R], request: object, timeout_s: float | None, *, is_repeatable: bool = True
    ) -> R:
        """One call, given `timeout_s` as a caller did. `is_repeatable`: whether doing it twice is doing it once."""
        return self._call_within(method, request, self._seconds(timeout_s), is_repeatable=is_repeatable)

    def _call_within(
        self, method: Callable[..., R], request: object, timeout_s: float, *, is_repeatable: bool = True
    ) -> R:
        """One call, tried again where that may help, all within `timeout_s`."""
        tries = Tries(self._retries if is_repeatable else 0, timeout_s)
        while True:
            try:
                with self._lifetime.call(timeout_s, tries.started_s):
                    return method(request, timeout=grpc_timeout(tries.left_s()))
            except CallError as error:
                pause_s = tries.pause_s(error)
                if pause_s is None or self._lifetime.is_over:
                    raise
            self._lifetime.pause(pause_s)

    def _seconds(self, timeout_s: float | None) -> float:
        """
        Raises:
            InvalidArgumentError: if `timeout_s` is no time that a call can be given.
        """
        return self._timeout_s if timeout_s is None else check_timeout(timeout_s)
