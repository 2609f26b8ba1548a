"""Exit statuses, and the one place where an error becomes a line on stderr and a status. Never a stack trace."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from enum import IntEnum

import typer

from polyhead.cli.output import errors_out
from polyhead.errors import (
    CallError,
    DeadlineExceededError,
    FieldViolation,
    InvalidArgumentError,
    PolyheadError,
    RecipeError,
    UnavailableError,
)
from polyhead.statuses import is_answered


class ExitStatus(IntEnum):
    """What scripts can rely on; shown by `polyhead --help`."""

    OK = 0
    #: The server refused the request, the job failed, or a process of the stack did.
    FAILED = 1
    #: Wrong arguments, recipe or file.
    USAGE = 2
    #: Nobody answers at the address, not in time, or the server is not ready yet.
    UNREACHABLE = 3
    INTERRUPTED = 130


EXIT_HELP = (
    "Exit status: 0 done · 1 the server refused, or the job or a process failed · 2 wrong arguments, recipe or file · "
    "3 the server is unreachable or not ready · 130 interrupted."
)


class UsageError(PolyheadError):
    """Arguments, or a file that they name, are wrong."""


def run(app: typer.Typer) -> int:
    """Run the application and return the exit status."""
    try:
        app()
    except SystemExit as ended:
        # typer turns a broken pipe into status 1; which of us sees it first depends on when the output is flushed.
        return _reader_left() if isinstance(ended.__context__, BrokenPipeError) else _number(ended.code)
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except PolyheadError as error:
        report(error)
        return status_of(error)
    return ExitStatus.OK


def _reader_left() -> int:
    """The reader (`| head`) has enough. Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return ExitStatus.OK


def status_of(error: PolyheadError) -> ExitStatus:
    if isinstance(error, UnavailableError | DeadlineExceededError):
        return ExitStatus.UNREACHABLE
    if isinstance(error, UsageError | RecipeError):
        return ExitStatus.USAGE
    return ExitStatus.FAILED


def report(error: PolyheadError) -> None:
    """One line, then one for each violation and a hint where there is one."""
    errors_out.print(f"error: {_headline(error)}", style="red", soft_wrap=True)
    violations = error.violations if isinstance(error, RecipeError | InvalidArgumentError) else ()
    for violation in violations:
        errors_out.print(f"  {violation}", soft_wrap=True)
    if isinstance(error, CallError) and error.retry_after_s is not None:
        errors_out.print(f"  try again in {error.retry_after_s:g} s")
    if isinstance(error, UnavailableError) and not is_answered(error):
        errors_out.print("  start one with `polyhead up`, or name another with --server or POLYHEAD_SERVER")


def _headline(error: PolyheadError) -> str:
    if isinstance(error, RecipeError) and error.violations:
        return _before_violations(error.message, error.violations)
    if isinstance(error, InvalidArgumentError):
        return f"{_before_violations(error.message, error.violations)} ({error.status})"
    if isinstance(error, DeadlineExceededError):
        return f"{error.message} (--timeout, {error.status})"
    if isinstance(error, CallError):
        return f"{error.message} ({error.status})"
    return error.message


def _before_violations(message: str, violations: Sequence[FieldViolation]) -> str:
    """`message` up to where it repeats its violations, which are listed below it."""
    starts = [message.find(text) for item in violations for text in (str(item), f"{item.field} {item.description}")]
    found = [start for start in starts if start >= 0]
    if not found:
        return message
    headline = message[: min(found)].rstrip(": ") or "the request is not valid"
    more = re.search(r"and \d+ more$", message)
    return f"{headline}: these, {more[0]}" if more else headline


def _number(code: object) -> int:
    if code is None:
        return ExitStatus.OK
    return code if isinstance(code, int) else ExitStatus.FAILED
