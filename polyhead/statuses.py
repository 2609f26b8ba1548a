"""gRPC's failed calls -> polyhead.errors, with what google.rpc.Status carries in the trailer. Pure functions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from polyhead import errors
from polyhead.errors import FieldViolation

#: Trailer with a serialized google.rpc.Status (gRPC's "richer error model").
DETAILS_TRAILER = "grpc-status-details-bin"
#: Trailer with the id under which the server logged the call.
REQUEST_ID_TRAILER = "x-request-id"

ERRORS: dict[grpc.StatusCode, type[errors.CallError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: errors.NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.UNIMPLEMENTED: errors.UnimplementedError,
    grpc.StatusCode.CANCELLED: errors.CallCancelledError,
    grpc.StatusCode.INTERNAL: errors.InternalError,
    grpc.StatusCode.UNKNOWN: errors.InternalError,
    grpc.StatusCode.DATA_LOSS: errors.InternalError,
}


#: A server that starts or restarts: worth asking again until the caller's patience ends.
_PASSING = {grpc.StatusCode.UNAVAILABLE.name, grpc.StatusCode.DEADLINE_EXCEEDED.name, grpc.StatusCode.CANCELLED.name}
#: What gRPC itself says of a call whose deadline passed; a server's own words name what it did until then.
_OWN_DEADLINE = "Deadline Exceeded"
#: What grpc.aio says, as INTERNAL, of a stream that its deadline cut while it was writing.
_REASON_LOST = "Internal error from Core"
#: Between two tries to watch a server's health.
HEALTH_PAUSE_S = 0.1
#: What a wait heard last, where it heard nothing.
NOBODY = "nobody answers"
_LAST = "last: "


class FailedCall(Protocol):
    """What grpc's sync and aio errors have in common."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Any: ...


def call_error(
    failed: FailedCall, target: str, timeout_s: float | None = None, elapsed_s: float = 0.0
) -> errors.CallError:
    """The error of our tree for a call to `target`, given `timeout_s`, that failed after `elapsed_s`."""
    code = failed.code()
    is_lost = code is grpc.StatusCode.INTERNAL and failed.details() == _REASON_LOST
    if is_lost and timeout_s is not None and elapsed_s >= timeout_s:
        return errors.DeadlineExceededError(_late(target, timeout_s), grpc.StatusCode.DEADLINE_EXCEEDED.name)
    trailer = tuple(failed.trailing_metadata() or ())
    violations, retry_after_s = _read_details(trailer)
    message = failed.details() or f"the call ended with {code.name}"
    if code is grpc.StatusCode.UNAVAILABLE:
        message = f"{target}: {message}"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED and timeout_s is not None and message.startswith(_OWN_DEADLINE):
        message = _late(target, timeout_s)
    request_id = next((str(value) for key, value in trailer if key == REQUEST_ID_TRAILER), "")
    return ERRORS.get(code, errors.CallError)(message, code.name, violations, retry_after_s, request_id)


@contextmanager
def translated(target: str, timeout_s: float | None = None, started_s: float | None = None) -> Iterator[None]:
    """Turns gRPC's errors into ours; fits around a plain and around an awaited call.

    `started_s`: when the call began that `timeout_s` is for, on the monotonic clock; None: now.
    """
    started_s = time.monotonic() if started_s is None else started_s
    try:
        yield
    except grpc.RpcError as failed:
        elapsed_s = time.monotonic() - started_s
        raise call_error(cast(FailedCall, failed), target, timeout_s, elapsed_s) from failed


def _late(target: str, timeout_s: float) -> str:
    return f"{target} did not answer within {timeout_s:g} s"


def is_passing(error: errors.CallError) -> bool:
    """Whether waiting for a server that starts may help."""
    return error.status in _PASSING


def not_ready_error(target: str, service: str, timeout_s: float, last: str) -> errors.UnavailableError:
    what = f"{service} at {target}" if service else f"the server at {target}"
    return errors.UnavailableError(f"{what} was not ready within {timeout_s:g} s ({_LAST}{last})", "UNAVAILABLE")


def is_answered(error: errors.UnavailableError) -> bool:
    """Whether a server is there, and refuses: it gave its log's id, or a wait for it ended with another state."""
    return bool(error.request_id) or (_LAST in error.message and NOBODY not in error.message)


def _read_details(trailer: Iterable[tuple[str, str | bytes]] | None) -> tuple[tuple[FieldViolation, ...], float | None]:
    violations: list[FieldViolation] = []
    retry_after_s: float | None = None
    for detail in _details(trailer):
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            violations += [FieldViolation(item.field, item.description) for item in bad.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after_s = delay.seconds + delay.nanos / 1e9
    return tuple(violations), retry_after_s


def _details(trailer: Iterable[tuple[str, str | bytes]] | None) -> list[Any]:
    for key, value in trailer or ():
        if key == DETAILS_TRAILER and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                # A proxy's garbage must not hide the status that came with it.
                return []
    return []
