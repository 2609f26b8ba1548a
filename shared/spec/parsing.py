"""From plain data to a spec, with every violation at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.errors import InvalidInputError, Violation
from shared.spec.job import JobSpec, misfits, summary


def parse_spec(body: Mapping[str, Any]) -> JobSpec:
    """Build a spec from a plain dictionary (a recipe, a stored record, a converted message).

    Raises:
        InvalidInputError: with one violation for each thing that is wrong.
    """
    try:
        return JobSpec.model_validate(body)
    except ValidationError as error:
        # The whole's own check runs only if all parts are well formed, so it is asked here in any case.
        malformed = (
            Violation(_path(e["loc"]), _describe(e["msg"], e.get("input"))) for e in error.errors() if e["loc"]
        )
        violations = (*malformed, *misfits(body))
        raise InvalidInputError(f"the job spec is not valid: {summary(violations)}", violations) from None


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _describe(message: str, value: object) -> str:
    message = message.removeprefix("Value error, ")
    return f"{message} (got {value!r})" if isinstance(value, str | int | float | bool) else message
