"""Every error class has the status that the contract promises, and carries its details."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from server.rpc.statuses import STATUS_OF, details_of, status_of
from shared import errors

#: The statuses that the wire contract promises (proto/polyhead/v1): a change here breaks clients.
PROMISED = {
    errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QueueFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.DrainingError: grpc.StatusCode.UNAVAILABLE,
    errors.StoreError: grpc.StatusCode.UNAVAILABLE,
}


def all_errors(root: type[errors.PolyheadError] = errors.PolyheadError) -> list[type[errors.PolyheadError]]:
    return [root, *(error for child in root.__subclasses__() for error in all_errors(child))]


def test_every_error_class_stands_in_the_table() -> None:
    """A new error class without a status would reach clients as INTERNAL."""
    ours = {error for error in all_errors() if error.__module__ == "shared.errors"}
    assert ours == set(STATUS_OF)


@pytest.mark.parametrize(("error", "status"), PROMISED.items(), ids=lambda item: getattr(item, "__name__", str(item)))
def test_error_class_has_the_promised_status(error: type[errors.PolyheadError], status: grpc.StatusCode) -> None:
    """Clients act on statuses: they are the contract."""
    assert status_of(error("message")) is status


def test_bad_input_carries_every_violation() -> None:
    """A form can mark each wrong field."""
    error = errors.InvalidInputError("bad", (errors.Violation("a", "x"), errors.Violation("b[1]", "y")))
    status = status_pb2.Status.FromString(details_of(error))
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    assert [(v.field, v.description) for v in bad.field_violations] == [("a", "x"), ("b[1]", "y")]


@pytest.mark.parametrize("error", [errors.QueueFullError("full", 1.5), errors.DrainingError("draining", 1.5)])
def test_error_that_passes_carries_retry_info(error: errors.PolyheadError) -> None:
    """A client that honours it comes back when there is room, or another server."""
    status = status_pb2.Status.FromString(details_of(error))
    retry = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.5


def test_errors_survive_pickling() -> None:
    """Serialisers carry them between processes."""
    import pickle

    error = errors.InvalidInputError("bad", (errors.Violation("a", "x"),))
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.violations, again.code) == (error.message, error.violations, error.code)
