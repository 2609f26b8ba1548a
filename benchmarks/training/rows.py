"""The rows that all sides train on: tweeteval/hate, cleaned once, as CSV files below a folder."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.quality.rows import FOLDER, TASKS, write_rows

HATE = next(task for task in TASKS if task.name == "hate")
PARTS = ("train", "validation", "selection")


def prepare(mirror: Path, root: Path) -> None:
    """Write the rows below `root`, unless they are there."""
    if not (root / FOLDER / HATE.name / "selection.csv").exists():
        for line in write_rows(mirror, root):
            print(line, flush=True)


def read(root: Path, part: str) -> tuple[list[str], list[int]]:
    """Texts and label numbers of one part."""
    with (root / FOLDER / HATE.name / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [HATE.labels.index(row["label"]) for row in rows]


def recipe(epochs: int, **more: object) -> dict[str, object]:
    """A job of ours over these rows."""
    folder = f"{FOLDER}/{HATE.name}"
    data = {
        "train": f"{folder}/train.csv", "validation": f"{folder}/validation.csv", "test": f"{folder}/selection.csv",
    }  # fmt: skip
    return {
        "tasks": [{"name": HATE.name, "labels": list(HATE.labels), "data": data}],
        "layerwise_lr": {"anchor": "top", "base_lr": 8.0e-5, "decay": 0.9},
        "optimizer": {"head_lr": 8.0e-4, "epochs": epochs, "seed": 13},
        "baselines": False,
        **more,
    }
