"""Verdicts: what passes, what fails, and the line that says so."""

from __future__ import annotations

import pytest

from worker.gate.verdict import TaskVerdict, Verdict, compare, conclude, not_judged, verdict_of

OPEN = TaskVerdict(outcome="not judged", metric="macro_f1", allowed=0.01, note="too few rows")


def concluded(**tasks: TaskVerdict) -> Verdict:
    return conclude(tasks, (), may_drop=True, champion=3, judged_against=5)


@pytest.mark.parametrize(
    ("champion", "candidate", "allowed", "outcome"),
    [
        (0.8, 0.9, 0.0, "passed"),
        (0.8, 0.8, 0.0, "passed"),
        (0.8, 0.79, 0.01, "passed"),  # 0.8 - 0.79 is 0.010000000000000009 in floats
        (0.8, 0.7899, 0.01, "failed"),
        (0.8, 0.5, 0.3, "passed"),
    ],
)
def test_figure_may_be_lower_by_what_is_allowed(
    champion: float, candidate: float, allowed: float, outcome: str
) -> None:
    """The bound itself passes: people write 0.01 and mean it."""
    assert compare("macro_f1", champion, candidate, allowed, 100).outcome == outcome


def test_one_task_that_failed_fails_the_candidate_and_is_named() -> None:
    """A gain in one task does not pay for a loss in another."""
    verdict = concluded(
        sentiment=compare("macro_f1", 0.78, 0.71, 0.01, 100), team=compare("macro_f1", 0.1, 0.9, 0.01, 100), topic=OPEN
    )
    assert str(verdict) == "failed: sentiment macro_f1 0.780 -> 0.710, allowed 0.01"
    assert not verdict.may_release


def test_task_that_was_not_judged_is_named_beside_one_that_passed() -> None:
    """`passed` alone would claim more than was looked at, and whoever released it asks why."""
    verdict = concluded(team=compare("macro_f1", 0.8, 0.9, 0.01, 100), topic=OPEN)
    assert str(verdict) == "passed (topic not judged: too few rows)"
    assert verdict.may_release
    assert verdict.unjudged == {"topic": "too few rows"}


def held(**tasks: TaskVerdict) -> Verdict:
    return conclude(tasks, (), may_drop=True, champion=3, judged_against=5, may_be_unjudged=False)


def test_gate_that_holds_what_is_not_judged_keeps_the_candidate_and_says_so() -> None:
    """For who would rather serve the old model than one that nobody compared; one open task is enough."""
    good = compare("macro_f1", 0.8, 0.9, 0.01, 100)
    for verdict in (held(topic=OPEN), held(team=good, topic=OPEN)):
        assert str(verdict) == "not judged: topic: too few rows; the job's gate holds what is not judged"
        assert not verdict.may_release
    assert held(team=compare("macro_f1", 0.8, 0.1, 0.01, 100), topic=OPEN).outcome == "failed"


def test_gate_that_holds_lets_out_what_was_judged_or_has_nothing_to_be_compared_with() -> None:
    """A first task must come out of such a gate too: there is nothing that it could be worse than."""
    assert held(team=compare("macro_f1", 0.8, 0.9, 0.01, 100)).may_release
    assert held().may_release


def test_nothing_that_could_be_judged_is_no_verdict_and_releases() -> None:
    """The first model of a task must come out; the record says that nobody compared it."""
    verdict = concluded(topic=OPEN)
    assert str(verdict) == "not judged: topic: too few rows"
    assert verdict.may_release
    assert str(concluded()) == "not judged: version 3 has none of the job's tasks"


def test_dropped_task_is_told_and_refused_only_where_the_gate_says_so() -> None:
    """A new model replaces the old one with all its tasks, so what gets lost must be seen."""
    tasks = {"team": compare("macro_f1", 0.8, 0.9, 0.01, 100)}
    allowed = conclude(tasks, ("mood",), may_drop=True, champion=3, judged_against=5)
    refused = conclude(tasks, ("mood",), may_drop=False, champion=3, judged_against=5)
    assert (str(allowed), allowed.may_release) == ("passed (drops mood)", True)
    assert str(refused) == "failed: it lacks mood of version 3, and the job's gate refuses that"
    assert not refused.may_release


def test_verdict_survives_the_job_report() -> None:
    """It travels as JSON, and may be read by a worker that knows fewer fields."""
    verdict = concluded(team=compare("accuracy", 0.8, 0.9, 0.01, 100))
    body = verdict.model_dump(mode="json")
    assert verdict_of({"gate": body | {"new": 1}}) == verdict
    assert verdict_of({}) is None
    assert verdict_of({"gate": {"outcome": "perhaps"}}) is None
    assert not not_judged("x", may_release=False).may_release
