"""What a person is told before a job replaces the served model, and which version an alias means."""

from __future__ import annotations

from typing import Any

import pytest

from polyhead.cli.continuing import announce, continue_from, lineage_notes, resolve_version
from polyhead.cli.exits import UsageError
from polyhead.cli.output import errors_out
from polyhead.results import ServedModel, TaskInfo, Version

VERSIONS = [
    Version(number, "a", "", 0, "job", None, {}, "", number == 2, aliases)
    for number, aliases in ((3, ("latest", "trial")), (2, ()), (1, ("old",)))
]
SERVED = ServedModel(
    version=2, artifact_id="a", encoder_id="e", base_model="b", dimensions=1, max_tokens=9, release=1,
    tasks=(TaskInfo("mood", ("down", "up")), TaskInfo("topics", ("a", "b"), "multi_label", (0.5, 0.5))),
)  # fmt: skip
MOOD: dict[str, Any] = {"name": "mood", "labels": ["down", "up"], "data": {"train": "mood.csv"}}
TEAM: dict[str, Any] = {"name": "team", "labels": ["x", "y"], "data": {"train": "team.csv"}}


@pytest.mark.parametrize(("name", "number"), [("7", 7), ("stable", 2), ("latest", 3), ("trial", 3), ("old", 1)])
def test_base_version_is_a_number_stable_or_an_alias(name: str, number: int) -> None:
    """What is sent is a number: an alias may mean another version when the job runs."""
    assert resolve_version(name, VERSIONS) == number


@pytest.mark.parametrize("name", ["newest", "0", "-1", "", "²"])
def test_base_version_that_is_none_of_them_names_those_there_are(name: str) -> None:
    """A typo is answered with the choice."""
    with pytest.raises(UsageError, match="latest, old, stable, trial"):
        resolve_version(name, VERSIONS)


def test_direct_form_keeps_the_encoder_unless_it_is_told_otherwise() -> None:
    """Adding a task is what --base-version is for; a recipe is left as its author wrote it."""
    direct: dict[str, Any] = {"tasks": [TEAM]}
    with errors_out.capture() as said:
        continue_from(direct, 2, is_direct=True)
    assert direct == {"tasks": [TEAM], "base": {"version": 2}, "freeze": {"policy": "backbone"}}
    assert "stays as it is" in said.get()
    told: dict[str, Any] = {"tasks": [TEAM], "freeze": {"policy": "none"}, "base": {"carry": False}}
    continue_from(told, 2, is_direct=True)
    assert told == {"tasks": [TEAM], "freeze": {"policy": "none"}, "base": {"carry": False, "version": 2}}
    recipe: dict[str, Any] = {"tasks": [TEAM]}
    continue_from(recipe, 2, is_direct=False)
    assert recipe == {"tasks": [TEAM], "base": {"version": 2}}
    emptied: dict[str, Any] = {"tasks": [TEAM], "base": None, "freeze": None}
    continue_from(emptied, 2, is_direct=True)
    assert emptied["base"] == {"version": 2}, "null is a field that is not given"
    assert emptied["freeze"] == {"policy": "backbone"}


@pytest.mark.parametrize(
    ("spec", "words", "unsaid"),
    [
        ({"tasks": [TEAM]}, ["mood, topics will no longer be served", "--base-version stable"], []),
        ({"tasks": [TEAM], "base": {"version": 2}}, [], ["warning", "note"]),
        ({"tasks": [TEAM], "base": {"version": 2, "carry": False}}, ["mood, topics will no longer be served"], []),
        ({"tasks": [MOOD], "base": {"version": 2}}, ["mood goes on from the head"], ["warning"]),
        ({"tasks": [MOOD | {"labels": ["up", "down"]}], "base": {"version": 2}}, ["mood is replaced", "down, up"], []),
        ({"tasks": [MOOD | {"kind": "multi_label"}], "base": {"version": 2}}, ["mood is replaced", "single_label"], []),
        ({"tasks": [TEAM], "base": {"version": 1}}, ["version 2 is served now", "from version 1"], ["warning"]),
        ({"tasks": "nonsense"}, [], ["warning", "note"]),
    ],
)
def test_what_becomes_of_the_served_tasks_is_said(spec: dict[str, Any], words: list[str], unsaid: list[str]) -> None:
    """Nobody should find out from a failing caller that a task is gone or means something else."""
    with errors_out.capture() as captured:
        announce(SERVED, spec)
    said = " ".join(captured.get().split())
    assert [word for word in words if word not in said] == []
    assert [word for word in unsaid if word in said] == []


def test_finished_job_tells_what_it_took_over_and_which_figures_flatter() -> None:
    """Held-out rows that trained the parent are no test of the child."""
    base = {"version": 2, "continued": ["mood"], "carried": ["topics", "team"], "trained_anew": []}
    data = {"mood": {"known_held_out": {"validation": 0, "test": 3}}, "team": {}}
    assert list(lineage_notes({"base": base, "data": data})) == [
        "continued from version 2; gone on with: mood; kept as they were: topics, team",
        "note: mood: 3 test rows trained version 2 already, so its figures flatter",
    ]
    assert list(lineage_notes({"data": data})) == []
