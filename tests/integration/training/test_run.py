"""The command for experiments: a recipe in, a table and an artifact out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from tests.integration.training.conftest import LABELS, Bench
from worker.training.process import _THREAD_VARIABLES
from worker.training.run import main


@pytest.fixture(autouse=True)
def _restore_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_THREAD_VARIABLES, "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "1")


def _recipe(folder: Path, **fields: object) -> Path:
    tasks = [
        {"name": name, "labels": list(labels), "data": {"train": f"{name}.csv"}} for name, labels in LABELS.items()
    ]
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"tasks": tasks, "optimizer": {"epochs": 1}, **fields}))
    return path


def _arguments(bench: Bench, recipe: Path) -> list[str]:
    options = {"data-root": bench.root, "store": bench.store.root, "base-model": bench.base, "device": "cpu"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [str(recipe), *flags, f"--threads={torch.get_num_threads()}", f"--output={recipe.parent / 'result.json'}"]


def test_run_of_a_recipe_prints_the_metrics_and_writes_them(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An experiment needs neither a server nor a queue, and is the same code as a job."""
    assert main(_arguments(bench, _recipe(tmp_path))) == 0
    printed = capsys.readouterr().out
    assert "| mood | model |" in printed
    assert "| topic | tfidf_lr |" in printed
    assert "mood: macro-F1 " in printed
    result = json.loads((tmp_path / "result.json").read_text())
    assert bench.artifact_ids() == [result["artifact_id"]]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [("tasks: []", "tasks: is empty"), ("- a\n- b", "is no recipe"), ("a: [", "cannot be read as a recipe")],
)
def test_run_of_a_bad_recipe_says_what_is_wrong(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, complaint: str
) -> None:
    """Found before anything is loaded."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(body)
    assert main(_arguments(bench, recipe)) == 1
    assert complaint in capsys.readouterr().err
