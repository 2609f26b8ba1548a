"""What the client raises. Owns the error tree and nothing else; polyhead.statuses builds it from gRPC calls.

PolyheadError
├── RecipeError                a recipe or spec does not fit the wire; found before anything is sent
└── CallError                  a call ended with another status than OK; carries status and server's message
    ├── InvalidArgumentError   the request is wrong; carries field violations
    ├── NotFoundError          no such task, version or job
    ├── AlreadyExistsError     the request id was used with another spec
    ├── FailedPreconditionError  not possible with the model that is served
    ├── ResourceExhaustedError the server's queue is full, or a message too large; may carry retry_after_s
    ├── DeadlineExceededError  no answer in time; the server drops work whose deadline has passed
    ├── UnavailableError       nobody listens, or the server is loading or draining
    ├── UnimplementedError     the server is of another version and does not know the call
    ├── CallCancelledError     the call was cancelled, or the client is closed
    └── InternalError          a bug in the server; the message has its id for the server's log
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request: `field` is a path such as `tasks[0].data.train`."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class PolyheadError(Exception):
    """Root of everything this package raises on purpose."""

    def __init__(self, message: str, *args: object) -> None:
        super().__init__(message, *args)

    @property
    def message(self) -> str:
        return str(self.args[0])

    def __str__(self) -> str:
        return self.message


class RecipeError(PolyheadError):
    """A recipe or spec does not fit the wire. `violations` lists everything that is wrong, not only the first."""

    def __init__(self, message: str, violations: tuple[FieldViolation, ...] = ()) -> None:
        super().__init__(message, violations)
        self.violations = violations


class CallError(PolyheadError):
    """A call ended with a status other than OK. `status` is its name, such as `NOT_FOUND`."""

    def __init__(
        self,
        message: str,
        status: str = "UNKNOWN",
        violations: tuple[FieldViolation, ...] = (),
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message, status, violations, retry_after_s, request_id)
        self.status = status
        self.violations = violations
        #: The server's hint when to try again, in seconds; None: it gave none.
        self.retry_after_s = retry_after_s
        #: Under which the server's log has the call; empty: no server answered.
        self.request_id = request_id


class InvalidArgumentError(CallError):
    """The request is wrong; `violations` names each field that is.

    Either the server said so, or the client did, of what cannot be put on the wire (then nothing was sent).
    """


class NotFoundError(CallError):
    """No such task, version or job."""


class AlreadyExistsError(CallError):
    """The request id was used before, with another spec."""


class FailedPreconditionError(CallError):
    """The request is well formed but not possible with the model that is served."""


class ResourceExhaustedError(CallError):
    """The server's queue is full (then `retry_after_s` is set), or a message is larger than a limit."""


class DeadlineExceededError(CallError):
    """No answer came in time. The server does not compute what nobody waits for."""


class UnavailableError(CallError):
    """Nobody listens at the target, or the server is loading or draining."""


class UnimplementedError(CallError):
    """The server does not know this call: it is of another version, or no Polyhead server."""


class CallCancelledError(CallError):
    """The call was cancelled before it ended, or its client was closed: then the message says to make a new one."""


class InternalError(CallError):
    """A bug in the server. The message has an id with which its log can be searched."""
