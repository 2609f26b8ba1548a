"""Sentences, one by one -> requests of a few dozen, and back: which sentence an error of the server is about.

Pure; the sync and the async feed share it. Sentences are counted from 0 over the whole stream.
"""

from __future__ import annotations

import re
from typing import Any, Generic, Protocol, Self, TypeVar

from polyhead import arguments
from polyhead.errors import CallError, FailedPreconditionError, FieldViolation, InvalidArgumentError

#: Sentences in one message: a few batches of the server's, and little to wait for.
DEFAULT_BATCH_SIZE = 32
#: Messages sent whose answers are not read yet; the server reads ahead no further than 64.
WINDOW = 8

_PLACE = re.compile(r"messages\[(\d+)\](?:(?:: |\.)sentences\[(\d+)\])?")


class Request(Protocol):
    """A request of a stream: any message with sentences."""

    @property
    def sentences(self) -> Any: ...
    def CopyFrom(self, other: Self) -> None: ...


M = TypeVar("M", bound=Request)


class Batches(Generic[M]):
    """Makes one stream's requests, all full but the last. `form` has all that they share, and no sentences."""

    def __init__(self, form: M, size: int) -> None:
        """
        Raises:
            InvalidArgumentError: if `size` is no whole number from 1.
        """
        self._form = form
        self._size = arguments.number("batch_size", size)
        if not size:
            raise InvalidArgumentError("batch_size must be at least 1 (got 0)", "INVALID_ARGUMENT")
        self._waiting: list[str] = []
        self._num_seen = 0

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self._size

    def add(self, sentence: object) -> None:
        """
        Raises:
            InvalidArgumentError: if `sentence` cannot be sent.
        """
        self._waiting.append(arguments.text(f"sentences[{self._num_seen}]", sentence))
        self._num_seen += 1

    def take(self) -> M | None:
        """The request of all that was added since the last; None if that is nothing."""
        if not self._waiting:
            return None
        request = type(self._form)()
        request.CopyFrom(self._form)
        request.sentences.extend(self._waiting)
        self._waiting.clear()
        return request

    def located(self, error: CallError, num_answered: int) -> CallError:
        """The same error, saying which sentences it is about where the server names messages, or how many came."""
        message = _PLACE.sub(self._place, error.message)
        violations = tuple(FieldViolation(_PLACE.sub(self._place, v.field), v.description) for v in error.violations)
        if "sentences[" not in message:
            message = f"{message} (after the answers to {num_answered} sentences)"
        return type(error)(message, error.status, violations, error.retry_after_s, error.request_id)

    def _place(self, found: re.Match[str]) -> str:
        first = int(found[1]) * self._size
        if found[2] is not None:
            return f"sentences[{first + int(found[2])}]"
        last = min(first + self._size, self._num_seen) - 1
        return f"sentences[{first}]" if last <= first else f"sentences[{first}] to [{last}]"


def not_sentences(got: object) -> InvalidArgumentError:
    """What a stream says of something that cannot be read sentence by sentence."""
    return InvalidArgumentError(
        f"sentences must be texts to iterate over (got {type(got).__name__})", "INVALID_ARGUMENT"
    )


class OneEncoder:
    """Sees to it that the vectors of one stream can be compared, whatever is released meanwhile."""

    def __init__(self) -> None:
        self._first = ""

    def check(self, encoder_id: str, num_answered: int) -> None:
        """
        Raises:
            FailedPreconditionError: if these answers are of another encoder than those before.
        """
        self._first = self._first or encoder_id
        if encoder_id != self._first:
            raise FailedPreconditionError(
                f"the server changed to another encoder at sentences[{num_answered}] ({self._first} -> {encoder_id}); "
                "vectors of two encoders do not mix: embed all of them again in a new stream",
                "FAILED_PRECONDITION",
            )
