"""The trainings of the benchmark: which there are, their recipes, and running those that are missing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality.rows import TASKS

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "best-quality.yaml"
SEEDS = (13, 14, 15)
MULTI = "multi"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: all tasks together (`multi`) or one task alone, with one seed."""

    name: str
    seed: int

    @property
    def label(self) -> str:
        return f"{self.name}-{self.seed}"

    def recipe(self) -> dict[str, Any]:
        """The recipe of this run: the same budget, that is epochs over a task's rows, alone as together."""
        body: dict[str, Any] = yaml.safe_load(RECIPE.read_text())
        if self.name != MULTI:
            body["tasks"] = [task for task in body["tasks"] if task["name"] == self.name]
        body["optimizer"]["seed"] = self.seed
        body["baselines"] = False
        return body


def runs(kinds: str, seeds: Sequence[int]) -> Iterator[Run]:
    """`kinds`: multi, single or both. Seed after seed, so that early results are whole ones."""
    for seed in seeds:
        if kinds in (MULTI, "both"):
            yield Run(MULTI, seed)
        if kinds in ("single", "both"):
            yield from (Run(task.name, seed) for task in TASKS)


def recipe_hash() -> str:
    """Hash of the recipe file and of everything but the seed: what a look at the test files is about."""
    return hashlib.sha256(json.dumps(yaml.safe_load(RECIPE.read_text()), sort_keys=True).encode()).hexdigest()[:12]


def result_path(store: Path, run: Run) -> Path:
    return store / "runs" / recipe_hash() / f"{run.label}.json"


def train(run: Run, store: Path, threads: int, base_model: str) -> None:
    """Train in a process of its own, unless the result is there.

    Raises:
        subprocess.CalledProcessError: if the training fails.
    """
    result = result_path(store, run)
    if result.exists():
        print(f"{run.label}: done before")
        return
    result.parent.mkdir(parents=True, exist_ok=True)
    recipe = result.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump(run.recipe(), sort_keys=False))
    print(f"{run.label}: training", flush=True)
    unfinished = result.with_suffix(".part")
    command = [
        sys.executable, "-m", "worker.training.run", str(recipe), "--data-root", str(store / "data"),
        "--store", str(store), "--threads", str(threads), "--base-model", base_model, "--output", str(unfinished),
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)
    os.replace(unfinished, result)
