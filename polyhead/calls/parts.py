"""Lists longer than one request, sync: parts, a few in flight, all answered by one version (polyhead.parts)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from polyhead import parts
from polyhead.calls.connection import Connection
from polyhead.errors import CallError, FailedPreconditionError
from polyhead.v1 import models_pb2


class _Answer(Protocol):
    @property
    def model_version(self) -> int: ...
    @property
    def artifact_id(self) -> str: ...


R = TypeVar("R", bound=_Answer)


class PartCalls(Connection):
    """Asks a list whole if the server takes it whole, else in parts."""

    _max_sentences: int | None = None

    def _ask(
        self,
        method: Callable[..., Any],
        request: parts.Q,
        read: Callable[[Any], R],
        join: Callable[[Sequence[R]], R],
        timeout_s: float | None,
    ) -> R:
        """`timeout_s` is for all parts together.

        Raises:
            UnavailableError: if the served version changes again and again before the last part is answered.
        """
        num_sentences = len(request.sentences)
        timeout_s = self._seconds(timeout_s)
        deadline = time.monotonic() + timeout_s
        limit = 0 if num_sentences <= parts.ALWAYS_WHOLE else self._limit(timeout_s)
        if not parts.is_cut(num_sentences, limit):
            return read(self._call_within(method, request, timeout_s))
        all_parts = parts.cut(request, limit)
        others: list[R]
        for _ in range(parts.ROUNDS):
            first = read(self._call_within(method, all_parts[0], _left_s(deadline)))
            try:
                others = self._ask_all(method, all_parts, first.model_version, read, deadline)
            except FailedPreconditionError:
                continue  # The version that answered the first part is served no more.
            if all(answer.artifact_id == first.artifact_id for answer in others):
                return join([first, *others])
        raise parts.changing_error(self.target)

    def _ask_all(
        self,
        method: Callable[..., Any],
        all_parts: Sequence[parts.Q],
        version: int,
        read: Callable[[Any], R],
        deadline: float,
    ) -> list[R]:
        """Of all but the first part."""
        size = len(all_parts[0].sentences)

        def ask(number: int, part: parts.Q) -> R:
            try:
                return read(self._call_within(method, part, _left_s(deadline)))
            except CallError as error:
                raise parts.shifted(error, number * size) from error

        pool = ThreadPoolExecutor(parts.PARTS_IN_FLIGHT, "polyhead-parts")
        try:
            pinned = enumerate(parts.pinned(all_parts[1:], version), start=1)
            futures = [pool.submit(ask, number, part) for number, part in pinned]
            return [future.result() for future in futures]
        finally:
            # After a failure those in flight are waited for, and no more are begun.
            pool.shutdown(cancel_futures=True)

    def _limit(self, timeout_s: float) -> int:
        """Sentences that the server takes in one request; 0: it does not say. Asked once."""
        if self._max_sentences is None:
            info: models_pb2.ServerInfo = self._call_within(
                self._models.GetServerInfo, models_pb2.GetServerInfoRequest(), timeout_s
            )
            self._max_sentences = info.limits.max_sentences_per_request
        return self._max_sentences


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
