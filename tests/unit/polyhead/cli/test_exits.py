"""From an error to what a person reads."""

from __future__ import annotations

import pytest

from polyhead.cli.exits import report
from polyhead.cli.output import errors_out
from polyhead.errors import FieldViolation, InvalidArgumentError, PolyheadError, RecipeError

EPOCHS = FieldViolation("optimizer.epochs", "must be at least 1 (got 0)")
HEADS = FieldViolation("freeze.heads[0]", "'a' is not one of the job's tasks")


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
