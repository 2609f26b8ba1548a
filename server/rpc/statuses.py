"""Error class -> gRPC status, in one table; and the google.rpc details that go with it. Pure."""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from server.rpc.error_text import fitting, fitting_violations
from shared import errors

#: The most derived class of an error's ancestry that stands here decides.
STATUS_OF: dict[type[errors.PolyheadError], grpc.StatusCode] = {
    errors.PolyheadError: grpc.StatusCode.INTERNAL,
    errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.DataError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QueueFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.DrainingError: grpc.StatusCode.UNAVAILABLE,
    errors.StoreError: grpc.StatusCode.UNAVAILABLE,
    errors.CorruptArtifactError: grpc.StatusCode.UNAVAILABLE,
    errors.SchemaVersionError: grpc.StatusCode.UNAVAILABLE,
    errors.BaseModelError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RankDiedError: grpc.StatusCode.INTERNAL,
    errors.TrainingError: grpc.StatusCode.INTERNAL,
    errors.DivergedError: grpc.StatusCode.INTERNAL,
}

#: Where clients of all languages look for a google.rpc.Status.
DETAILS_KEY = "grpc-status-details-bin"
_TYPE_URL = "type.googleapis.com/"


def status_of(error: errors.PolyheadError) -> grpc.StatusCode:
    """The status of an expected error."""
    return next(STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF)


def details_of(error: errors.PolyheadError) -> bytes:
    """A serialised google.rpc.Status: BadRequest with every violation (that fits), RetryInfo where a pause helps."""
    status = status_pb2.Status(code=status_of(error).value[0], message=fitting(error.message))
    if isinstance(error, errors.InvalidInputError):
        bad = error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
                for v in fitting_violations(error.violations)
            ]
        )
        _attach(status, bad)
    if isinstance(error, errors.QueueFullError | errors.DrainingError):
        seconds, nanos = divmod(int(error.retry_after_s * 1e9), 10**9)
        _attach(status, error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    body: bytes = status.SerializeToString()
    return body


def _attach(status: status_pb2.Status, detail: error_details_pb2.BadRequest | error_details_pb2.RetryInfo) -> None:
    status.details.add(type_url=_TYPE_URL + detail.DESCRIPTOR.full_name, value=detail.SerializeToString())
