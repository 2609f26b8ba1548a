"""From an error to what a person reads."""

from __future__ import annotations

import pytest

from polyhead.cli.exits import report
from polyhead.cli.output import errors_out
from polyhead.errors import FieldViolation, InvalidArgumentError, PolyheadError, RecipeError, UnavailableError
from polyhead.statuses import NOBODY, not_ready_error

EPOCHS = FieldViolation("optimizer.epochs", "must be at least 1 (got 0)")
HEADS = FieldViolation("freeze.heads[0]", "'a' is not one of the job's tasks")


@pytest.mark.parametrize(
    ("error", "is_there"),
    [
        (UnavailableError("a:1: failed to connect", "UNAVAILABLE"), False),
        (UnavailableError("a:1: no model is loaded yet", "UNAVAILABLE", (), None, "id1"), True),
        (UnavailableError("nobody.invalid:1: the name leads to no address", "UNAVAILABLE"), False),
        (not_ready_error("a:1", "", 60, NOBODY), False),
        (not_ready_error("a:1", "", 60, "NOT_SERVING"), True),
    ],
)
def test_hint_to_start_a_server_is_given_where_none_answers(error: UnavailableError, is_there: bool) -> None:
    """A server that starts, drains or has no release is there: another one would not help."""
    with errors_out.capture() as captured:
        report(error)
    assert ("polyhead up" in captured.get()) is not is_there


@pytest.mark.parametrize(
    ("error", "headline"),
    [
        (
            InvalidArgumentError(f"the job spec is not valid: {EPOCHS}; {HEADS}", "INVALID_ARGUMENT", (EPOCHS, HEADS)),
            "error: the job spec is not valid (INVALID_ARGUMENT)",
        ),
        (
            RecipeError(f"the job spec cannot be sent: {EPOCHS}; {HEADS}", (EPOCHS, HEADS)),
            "error: the job spec cannot be sent",
        ),
        (
            InvalidArgumentError(
                f"{EPOCHS.field} {EPOCHS.description}; {HEADS.field} {HEADS.description}; and 7 more",
                "INVALID_ARGUMENT",
                (EPOCHS, HEADS),
            ),
            "error: the request is not valid: these, and 7 more (INVALID_ARGUMENT)",
        ),
    ],
)
def test_violations_are_listed_once(error: PolyheadError, headline: str) -> None:
    """A message that repeats its own list as one paragraph is read by nobody."""
    with errors_out.capture() as captured:
        report(error)
    assert captured.get().splitlines() == [headline, f"  {EPOCHS}", f"  {HEADS}"]
