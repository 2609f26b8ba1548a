"""A connection to a server, for one event loop: the channel, how a call is made, and waiting for a server's health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from polyhead.channel import (
    DEFAULT_KEEPALIVE_S,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_S,
    ChannelSettings,
)
from polyhead.errors import CallError
from polyhead.retrying import DEFAULT_RETRIES, Tries, check_retries
from polyhead.statuses import HEALTH_PAUSE_S, is_passing, not_ready_error, translated
from polyhead.targets import split

R = TypeVar("R")


class AsyncConnection:
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

        Raises:
            InvalidArgumentError: if `target` or `retries` is nothing to begin with.
            UnavailableError: if one of several servers has a name that leads nowhere.
        """
        targets = split(target)
        self.target = ",".join(targets)
        self._timeout_s = timeout_s
        self._retries = check_retries(retries)
        self._is_closed = False
        self._channel = ChannelSettings(targets, max_message_bytes, keepalive_s, credentials).open_async()
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection; calls still open are cancelled."""
        self._is_closed = True
        await self._channel.close()

    async def wait_until_ready(self, timeout_s: float = 60.0, service: str = "") -> None:
        """Return once the server's health says SERVING; `service` names one, such as INFERENCE_SERVICE.

        Raises:
            UnavailableError: if that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        last = "nobody answers"
        while (left_s := deadline - time.monotonic()) > 0:
            request = health_pb2.HealthCheckRequest(service=service)
            call = cast(Any, self._health.Watch(request, timeout=left_s, wait_for_ready=True))
            try:
                with translated(self.target):
                    async for answer in call:
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            return
                        last = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            except CallError as failed:
                if not is_passing(failed):
                    raise
            finally:
                call.cancel()
            await asyncio.sleep(min(HEALTH_PAUSE_S, max(0.0, deadline - time.monotonic())))
        raise not_ready_error(self.target, service, timeout_s, last)

    async def _call(
        self,
        method: Callable[..., Awaitable[R]],
        request: object,
        timeout_s: float | None,
        *,
        is_repeatable: bool = True,
    ) -> R:
        """One call, tried again where that may help. `is_repeatable`: whether doing it twice is doing it once."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        tries = Tries(self._retries if is_repeatable else 0, timeout_s)
        while True:
            try:
                with translated(self.target, timeout_s, tries.started_s):
                    return await method(request, timeout=tries.left_s())
            except CallError as error:
                pause_s = tries.pause_s(error)
                if pause_s is None or self._is_closed:
                    raise
            await asyncio.sleep(pause_s)
