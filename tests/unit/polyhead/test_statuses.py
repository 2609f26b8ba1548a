"""From a failed call to an error of the tree."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from polyhead import errors
from polyhead.statuses import DETAILS_TRAILER, ERRORS, call_error, not_ready_error


@dataclass
class Failed:
    """What gRPC gives us of a failed call."""

    status: grpc.StatusCode
    message: str | None = "because"
    trailer: tuple[tuple[str, str | bytes], ...] | None = None

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str | None:
        return self.message

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self.trailer


def test_every_error_class_is_raised_for_some_status() -> None:
    """A class in the tree that no status leads to would be a promise nobody keeps."""
    leaves = set(errors.CallError.__subclasses__())
    assert leaves == set(ERRORS.values())


@pytest.mark.parametrize("status", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_any_status_becomes_a_call_error_with_its_name(status: grpc.StatusCode) -> None:
    """Also those that no Polyhead server sends: a proxy in between might."""
    error = call_error(Failed(status), "host:1")
    assert isinstance(error, errors.CallError)
    assert error.status == status.name
    assert "because" in str(error)


def test_call_without_details_still_says_something() -> None:
    """An empty message helps nobody."""
    assert "ABORTED" in str(call_error(Failed(grpc.StatusCode.ABORTED, None), "host:1"))


def test_garbage_in_the_trailer_does_not_hide_the_status() -> None:
    """The status is what counts; the trailer only adds to it."""
    error = call_error(Failed(grpc.StatusCode.NOT_FOUND, trailer=((DETAILS_TRAILER, b"\xff\xff"),)), "host:1")
    assert isinstance(error, errors.NotFoundError)
    assert error.violations == ()


def test_unknown_details_are_passed_over() -> None:
    """Newer servers may send details that this client does not know."""
    status = status_pb2.Status(code=3)
    status.details.add().Pack(error_details_pb2.DebugInfo(detail="x"))
    status.details.add().Pack(
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="a", description="b")]
        )
    )
    failed = Failed(grpc.StatusCode.INVALID_ARGUMENT, trailer=((DETAILS_TRAILER, status.SerializeToString()),))
    assert call_error(failed, "host:1").violations == (errors.FieldViolation("a", "b"),)


def test_not_ready_error_names_service_target_and_patience() -> None:
    """Somebody reads this in a start-up log."""
    message = str(not_ready_error("host:1", "polyhead.v1.InferenceService", 5, "NOT_SERVING"))
    assert all(word in message for word in ("host:1", "InferenceService", "5 s", "NOT_SERVING"))


def test_deadline_of_the_call_itself_names_target_and_limit() -> None:
    """gRPC's own words name neither; a server's words say more and stay."""
    own = call_error(Failed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), "host:1", 0.001)
    assert str(own) == "host:1 did not answer within 0.001 s"
    assert str(call_error(Failed(grpc.StatusCode.DEADLINE_EXCEEDED, "queued too long"), "h", 1)) == "queued too long"


@pytest.mark.parametrize(
    ("timeout_s", "elapsed_s", "kind"),
    [
        (2.0, 2.0, errors.DeadlineExceededError),
        (2.0, 1.9, errors.InternalError),
        (None, 99.0, errors.InternalError),
    ],
)
def test_reason_that_grpc_lost_behind_the_deadline_is_the_deadline(
    timeout_s: float | None, elapsed_s: float, kind: type[errors.CallError]
) -> None:
    """grpc.aio says INTERNAL of a stream that was being written when its deadline passed; before it, that is a bug."""
    failed = Failed(grpc.StatusCode.INTERNAL, "Internal error from Core")
    error = call_error(failed, "host:1", timeout_s, elapsed_s)
    assert isinstance(error, kind)
    assert isinstance(call_error(Failed(grpc.StatusCode.INTERNAL, "a bug, id 7"), "h", 2.0, 3.0), errors.InternalError)
