"""The recipe that an artifact shows is one that can be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyhead.cli.recipes import load_recipe
from polyhead.specs import message_to_spec, spec_to_message
from shared.spec import JobSpec, parse_spec
from worker.report.recipe import recipe_text

TASKS: list[dict[str, Any]] = [
    {"name": "mood", "labels": ["1", "yes", "\u00e9 <b>"], "data": {"train": "a.csv", "label_map": {"0": "1"}}},
    {"name": "topic", "kind": "multi_label", "labels": ["x"], "data": {"train": "b.csv", "label_separator": ";"}},
]
SEARCH: dict[str, Any] = {
    "metric": {"mood.macro_f1": 1},
    "parameters": {
        "optimizer.head_lr": {"low": 1e-5, "high": 1e-2, "log": True},
        "layerwise_lr.base_lr": {"choices": [0.00001, 0.0002]},
        "lora": {"choices": [None, {"rank": 4}]},
    },
}


def run_again(spec: JobSpec, folder: Path) -> JobSpec:
    """The way of `polyhead train recipe.yaml`, up to the server's check."""
    path = folder / "recipe.yaml"
    path.write_text(recipe_text(spec), encoding="utf-8")
    return parse_spec(message_to_spec(spec_to_message(load_recipe(path))))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"lora": {"rank": 4}, "stopping": {"patience": 2}, "gate": {"policy": "off"}, "base": {"version": 2}},
        {"freeze": {"policy": "gradual", "gradual": {"by": "step", "every": 9}}},
        {"freeze": {"policy": "heads", "heads": ["mood"]}, "search": SEARCH},
    ],
    ids=["defaults", "optional parts", "gradual", "search"],
)
def test_recipe_of_an_artifact_copied_into_a_file_is_the_same_job(fields: dict[str, Any], tmp_path: Path) -> None:
    """A year later it is what there is; nulls of what was not given, or tasks left out, made it unusable."""
    spec = parse_spec({"tasks": TASKS, "layerwise_lr": {"base_lr": 1e-5}, **fields})
    assert run_again(spec, tmp_path) == spec
