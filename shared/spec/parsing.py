"""From plain data to a spec, with every violation at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.errors import InvalidInputError, Violation
from shared.spec.job import JobSpec, misfits, summary
from shared.spec.search_checks import Check, fitness_violations, search_violations
from shared.spec.searching import SearchSpec


def parse_spec(body: Mapping[str, Any]) -> JobSpec:
    """Build a spec from a plain dictionary (a recipe, a converted message); what a search may try is checked too.

    Raises:
        InvalidInputError: with one violation for each thing that is wrong.
    """
    malformed, unfit = _check(body)
    violations = (*malformed, *unfit, *_search_violations(body))
    if violations:
        raise InvalidInputError(f"the job spec is not valid: {summary(violations)}", violations)
    return JobSpec.model_validate(body)


def _check(body: Mapping[str, Any]) -> tuple[list[Violation], list[Violation]]:
    """What is wrong in the parts of a spec, and what between them."""
    malformed: list[Violation] = []
    try:
        JobSpec.model_validate(body)
    except ValidationError as error:
        malformed = [
            Violation(_path(e["loc"]), _describe(e["msg"], e.get("input"))) for e in error.errors() if e["loc"]
        ]
        # The whole's own check runs only if all parts are well formed, so it is asked here in any case.
        return malformed, list(misfits(body))
    return malformed, []


def searched_misfits(body: Mapping[str, Any], check: Check) -> list[Violation]:
    """What `check` finds wrong with the values that a spec's search may try. Skips what is malformed."""
    search = _search(body)
    return list(fitness_violations(body, search, JobSpec, check)) if search else []


def _search_violations(body: Mapping[str, Any]) -> list[Violation]:
    search = _search(body)
    return list(search_violations(body, search, JobSpec, _check)) if search else []


def _search(body: Mapping[str, Any]) -> SearchSpec | None:
    try:
        return SearchSpec.model_validate(body.get("search"))
    except ValidationError:  # there is none, or it is malformed, which is said already
        return None


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _describe(message: str, value: object) -> str:
    message = message.removeprefix("Value error, ")
    return f"{message} (got {value!r})" if isinstance(value, str | int | float | bool) else message
