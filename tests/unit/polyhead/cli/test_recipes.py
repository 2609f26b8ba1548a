"""What a person writes, as a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyhead.cli.exits import UsageError
from polyhead.cli.recipes import DIRECT_SETTINGS, load_recipe, override, spec_from_options
from polyhead.specs import spec_to_message

RECIPES = Path(__file__).parents[4] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipe_of_the_repository_fits_the_wire(path: Path) -> None:
    """They are what people copy from."""
    assert spec_to_message(load_recipe(path)).tasks


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("optimizer.epochs=1", {"optimizer": {"epochs": 1}}),
        ("baselines=false", {"baselines": False}),
        ("tasks[0].data.max_rows=5", {"max_rows": 5}),
        ("tasks.a.data.max_rows=5", {"max_rows": 5}),
    ],
)
def test_override_sets_the_field_at_its_path(setting: str, expected: dict[str, Any]) -> None:
    """By place in a list or by a task's name."""
    spec: dict[str, Any] = {"tasks": [{"name": "a", "data": {}}]}
    override(spec, setting)
    changed = (
        spec["tasks"][0]["data"] if setting.startswith("tasks") else {k: v for k, v in spec.items() if k != "tasks"}
    )
    assert changed == expected


def test_override_takes_a_part_away_and_sets_it_again() -> None:
    """A LoRA recipe without its adapters; what was taken away, or left empty in the file, can be filled."""
    spec: dict[str, Any] = {"lora": {"rank": 8}}
    override(spec, "lora=null")
    assert not spec_to_message(spec).HasField("lora")
    override(spec, "lora.rank=4")
    assert spec_to_message(spec).lora.rank == 4


@pytest.mark.parametrize("setting", ["epochs", "=1", "tasks[3].data.max_rows=1", "tasks.b.name=c", "baselines.x.y=1"])
def test_override_that_leads_nowhere_is_refused(setting: str) -> None:
    """A typing error must not be trained without the wish it stands for."""
    with pytest.raises(UsageError, match="--set"):
        override({"tasks": [{"name": "a"}], "baselines": True}, setting)


@pytest.mark.parametrize(
    ("body", "word"), [("tasks: [", "no YAML"), ("- a\n- b", "list"), ("", "NoneType"), (b"\xff\xfe\xfa", "UTF-8")]
)
def test_recipe_that_is_none_is_refused(tmp_path: Path, body: str | bytes, word: str) -> None:
    """The message names the file and what is wrong with it."""
    path = tmp_path / "r.yaml"
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    with pytest.raises(UsageError, match=word) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)


def test_missing_recipe_is_refused(tmp_path: Path) -> None:
    """No stack trace for a wrong name."""
    with pytest.raises(UsageError, match="No such file"):
        load_recipe(tmp_path / "none.yaml")


def test_options_of_two_tasks_become_a_spec() -> None:
    """The direct form, without a recipe."""
    spec = spec_from_options(["a", "b"], ["x, y", "1,2"], ["a.csv", "b.csv"], ["t", "u"], [], [])
    assert spec["tasks"][1] == {"name": "b", "labels": ["1", "2"], "data": {"train": "b.csv", "text_column": "u"}}
    assert spec["tasks"][0]["labels"] == ["x", "y"]


def test_options_start_from_settings_that_suit_small_files_and_can_be_overridden() -> None:
    """A first try on 200 rows must give a model, and one --set must not leak into the next spec."""
    spec = spec_from_options(["a"], ["x,y"], ["a.csv"], [], [], [])
    assert {field: spec[field] for field in DIRECT_SETTINGS} == DIRECT_SETTINGS
    override(spec, "optimizer.min_steps=0")
    assert spec["optimizer"]["min_steps"] == 0
    assert DIRECT_SETTINGS["optimizer"]["min_steps"] == 200
    assert spec_to_message(spec).optimizer.min_steps == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((["a"], [], ["a.csv"], [], [], []), "--labels"),
        ((["a"], ["x,y"], [], [], [], []), "--data"),
        ((["a", "b"], ["x,y", "x,y"], ["a", "b"], ["t"], [], []), "--text-column"),
    ],
)
def test_options_that_do_not_pair_up_are_refused(arguments: tuple[list[str], ...], word: str) -> None:
    """Each option belongs to one task, by order."""
    with pytest.raises(UsageError, match=word):
        spec_from_options(*arguments)  # type: ignore[arg-type]
