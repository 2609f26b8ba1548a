"""Every recipe of the repository is a job that the server accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.choice.variants import VARIANTS, recipe
from polyhead.cli.recipes import load_recipe
from polyhead.specs import message_to_spec, spec_to_message
from shared.spec import parse_spec

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_survives_the_wire_and_is_valid(path: Path) -> None:
    """They are what people copy from, and a field that no longer exists would be found by them."""
    body = load_recipe(path)
    spec = parse_spec(message_to_spec(spec_to_message(body)))
    assert [task.name for task in spec.tasks] == [task["name"] for task in body["tasks"]]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_begins_with_when_to_use_it(path: Path) -> None:
    """The first line is what one chooses by."""
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_of_the_measured_choice_is_valid(name: str) -> None:
    """The benchmark takes half an hour; it should not end at its last variant."""
    assert parse_spec(recipe(name)).tasks
