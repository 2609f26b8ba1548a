"""Errors fit into a status, whatever they say."""

from __future__ import annotations

import pytest

from server.rpc.error_text import MAX_MESSAGE_BYTES, MAX_VIOLATIONS_BYTES, fitting, fitting_violations, wire_size
from server.rpc.statuses import details_of
from shared.errors import InvalidInputError, Violation


@pytest.mark.parametrize("text", ["x" * 20_000, "é" * 20_000, "🙂" * 20_000, "50 % " * 5000, "line\n" * 5000])
def test_long_message_keeps_its_beginning_and_its_end(text: str) -> None:
    """A client that gets 8 KB of metadata sees RESOURCE_EXHAUSTED, not what was wrong."""
    message = fitting(f"the beginning {text} and 17 more")
    assert message.startswith("the beginning")
    assert message.endswith("and 17 more")
    assert MAX_MESSAGE_BYTES - 12 <= wire_size(message) <= MAX_MESSAGE_BYTES


def test_short_message_stays_as_it_is() -> None:
    """The rule, not the exception."""
    assert fitting("no task 'naïve'") == "no task 'naïve'"


def test_violations_are_told_as_long_as_they_fit() -> None:
    """The first ones, whole."""
    violations = tuple(Violation(f"tasks[{number}]", "x" * 90) for number in range(1000))
    fits = fitting_violations(violations)
    assert fits == violations[: len(fits)]
    assert 30 < len(fits) < 45
    assert len(details_of(InvalidInputError("y" * 20_000, violations))) < MAX_MESSAGE_BYTES + 2 * MAX_VIOLATIONS_BYTES
    assert fitting_violations(violations[:3]) == violations[:3]
