"""The error tree. Domain code raises these; only the server's interceptor turns them into gRPC statuses.

    PolyheadError
    ├── InvalidInputError        the caller's request is wrong; carries field violations
    │   └── DataError            a row, column or file of training data is wrong
    ├── NotFoundError            no such task, version, job, artifact
    ├── AlreadyExistsError       the same request id with another spec
    ├── FailedPreconditionError  not possible with what is loaded now
    ├── QueueFullError           the queue is full; try again after a pause
    ├── DeadlineError            the caller's deadline has passed; the work was not run
    ├── UnavailableError         loading, draining, store or broker away
    │   └── DrainingError        this server ends; another one, or the next, will answer
    ├── StoreError               the store could not be read or written
    │   ├── CorruptArtifactError bytes, hashes, labels or probe outputs disagree with the manifest
    │   └── SchemaVersionError   a record of a version that this code does not know
    ├── BaseModelError           the base model cannot be resolved, read or verified
    └── TrainingError            training itself failed
        └── DivergedError        the loss or a gradient is not finite, or the loss rose over its bound
    ├── RankDiedError            one of the processes that train together is gone
    └── TrainingError            training itself failed (divergence, NaN)

All take plain positional strings, so they survive pickling and serialisers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request: `field` is a path such as `tasks[0].data.train`."""

    field: str
    description: str


class PolyheadError(Exception):
    """Root of all expected errors."""

    #: Stable machine-readable name, stored in job records and sent to clients.
    code = "INTERNAL"

    def __init__(self, message: str, *args: object) -> None:
        super().__init__(message, *args)

    @property
    def message(self) -> str:
        return str(self.args[0])

    def __str__(self) -> str:
        return self.message


class InvalidInputError(PolyheadError):
    """The caller's request is wrong. `violations` lists everything that is, not only the first."""

    code = "INVALID_INPUT"

    def __init__(self, message: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message, violations)

    @property
    def violations(self) -> tuple[Violation, ...]:
        return self.args[1]  # type: ignore[no-any-return]


class DataError(InvalidInputError):
    """Training data cannot be used. The message names file, and row and column where there is one."""

    code = "INVALID_DATA"


class NotFoundError(PolyheadError):
    """No such task, version, job or artifact."""

    code = "NOT_FOUND"


class AlreadyExistsError(PolyheadError):
    """The request id was used before with another spec."""

    code = "ALREADY_EXISTS"


class FailedPreconditionError(PolyheadError):
    """The request is well formed but not possible with what is loaded now."""

    code = "FAILED_PRECONDITION"


class QueueFullError(PolyheadError):
    """The inference queue is full. `retry_after_s` is a hint, in seconds."""

    code = "QUEUE_FULL"

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s)

    @property
    def retry_after_s(self) -> float:
        return float(self.args[1])


class DeadlineError(PolyheadError):
    """The caller's deadline has passed; the work was not run."""

    code = "DEADLINE_EXCEEDED"


class UnavailableError(PolyheadError):
    """Loading, draining, or the store or the broker is away. Try again later."""

    code = "UNAVAILABLE"


class DrainingError(UnavailableError):
    """This server ends and takes no more work. `retry_after_s` is a hint, in seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s)

    @property
    def retry_after_s(self) -> float:
        return float(self.args[1])


class StoreError(PolyheadError):
    """The store could not be read or written."""

    code = "STORE"


class CorruptArtifactError(StoreError):
    """An artifact's bytes, hashes, labels or probe outputs disagree with its manifest."""

    code = "CORRUPT_ARTIFACT"


class SchemaVersionError(StoreError):
    """A record carries a schema version that this code does not know."""

    code = "SCHEMA_VERSION"


class BaseModelError(PolyheadError):
    """The base model cannot be resolved, read or verified."""

    code = "BASE_MODEL"


class RankDiedError(PolyheadError):
    """One of the processes that train together is gone; another attempt may be luckier."""

    code = "RANK_DIED"


class TrainingError(PolyheadError):
    """Training itself failed."""

    code = "TRAINING"


class DivergedError(TrainingError):
    """The loss or a gradient is not finite, or the loss rose over the bound that the spec allows."""

    code = "DIVERGED"
