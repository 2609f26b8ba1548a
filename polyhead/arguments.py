"""Checks of arguments that cannot be put on the wire, before anything is sent. Pure functions.

Owns form only (types, UTF-8, 32-bit numbers); whether a value makes sense is the server's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from polyhead.errors import FieldViolation, InvalidArgumentError

T = TypeVar("T")

#: Numbers on the wire are int32 (proto/polyhead/v1).
INT32_MAX = 2**31 - 1
#: Characters of a value that an error shows.
SHOWN = 60


def texts(field: str, values: object) -> list[str]:
    """`values` as a list; one plain string counts as one text.

    Raises:
        InvalidArgumentError: naming each item that is no text, or cannot be encoded as UTF-8.
    """
    if isinstance(values, str):
        return [text(field, values)]
    if not isinstance(values, Iterable) or isinstance(values, bytes | Mapping):
        raise _invalid([FieldViolation(field, f"must be a text or a sequence of texts (got {_shown(values)})")])
    found = list(values)
    misfits = [(f"{field}[{index}]", _misfit(value)) for index, value in enumerate(found)]
    violations = [FieldViolation(place, misfit) for place, misfit in misfits if misfit]
    if violations:
        raise _invalid(violations)
    return found


def text(field: str, value: object) -> str:
    """
    Raises:
        InvalidArgumentError: if `value` is no text, or cannot be encoded as UTF-8.
    """
    misfit = _misfit(value)
    if misfit or not isinstance(value, str):
        raise _invalid([FieldViolation(field, misfit)])
    return value


def number(field: str, value: object) -> int:
    """
    Raises:
        InvalidArgumentError: if `value` is no whole number from 0 to 2**31 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= INT32_MAX:
        raise _invalid([FieldViolation(field, f"must be a whole number from 0 to {INT32_MAX} (got {_shown(value)})")])
    return value


def version_of(field: str, name: str) -> int | None:
    """The version that `name` is the number of; None: it is an alias, which begins with a letter (SetAlias).

    Raises:
        InvalidArgumentError: if the number is above 2**31 - 1.
    """
    if not (name.isascii() and name.isdigit()):
        return None
    digits = name.lstrip("0") or "0"
    # Longer ones are not even read: int() refuses those of thousands of digits in words of its own.
    return number(field, int(digits) if len(digits) <= len(str(INT32_MAX)) else name)


def real(field: str, value: object) -> float:
    """
    Raises:
        InvalidArgumentError: if `value` is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid([FieldViolation(field, f"must be a number (got {_shown(value)})")])
    return float(value)


def choice(field: str, value: object, choices: Mapping[str, T]) -> T:
    """
    Raises:
        InvalidArgumentError: if `value` is none of the choices.
    """
    if not isinstance(value, str) or value not in choices:
        raise _invalid([FieldViolation(field, f"must be one of {', '.join(choices)} (got {_shown(value)})")])
    return choices[value]


def _misfit(value: object) -> str:
    """Why `value` is no text for the wire; empty if it is one."""
    if not isinstance(value, str):
        return f"must be a text (got {_shown(value)})"
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"is no valid Unicode: lone surrogate {_shown(value[error.start])} at character {error.start}"
    return ""


def _shown(value: object) -> str:
    shown = ascii(value)
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    return shown if value is None or isinstance(value, str | int) else f"{type(value).__name__} {shown}"


def _invalid(violations: list[FieldViolation]) -> InvalidArgumentError:
    named = "; ".join(map(str, violations))
    return InvalidArgumentError(f"the request cannot be sent: {named}", "INVALID_ARGUMENT", tuple(violations))
