"""A release that nobody compared must not look like one that passed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from polyhead.cli.unjudged import unjudged_notes
from polyhead.results import Job, JobState

GATE: dict[str, Any] = {
    "champion": 3,
    "tasks": {"mood": {"outcome": "passed", "note": ""}, "topic": {"outcome": "not judged", "note": "12 rows are few"}},
}
JOB = Job("1", "r", JobState.SUCCEEDED, 1, None, None, {}, None, {}, {"gate": GATE}, 4, None, released=True)


def test_task_that_was_not_compared_is_warned_of_with_version_reason_and_cure() -> None:
    """At the end of `polyhead train`, where a person decides whether to look closer."""
    (line,) = unjudged_notes(JOB)
    for part in ("warning: topic", "version 3", "12 rows are few", "unjudged: hold"):
        assert part in line


def test_nothing_is_warned_of_where_nothing_was_released_unjudged() -> None:
    """A kept version has its own line, and a first model replaces nobody."""
    assert list(unjudged_notes(replace(JOB, released=False))) == []
    assert list(unjudged_notes(replace(JOB, report={"gate": {"tasks": {}}}))) == []
    assert list(unjudged_notes(replace(JOB, report={}))) == []
