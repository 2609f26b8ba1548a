"""The rows of the three tasks as CSV files: training, validation, and selection, the half that chooses recipes.

TweetEval's validation rows are halved: temperatures are fitted on one half, and what chooses a recipe is measured on
the other. Training rows that are near-duplicates of test texts are left out; no label of a test file is read here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.spec import DataSpec, TaskSpec
from worker.data.cleaning import decode_rows
from worker.data.labels import label_decoder
from worker.data.readers import Layout, Split, read_table
from worker.data.roots import open_source
from worker.data.rows import Rows
from worker.data.similarity import near_duplicates_across
from worker.data.splitting import stratified_sample

FOLDER = "tweeteval_quality"
SEED = 13
#: TweetEval's sentiment validation file has texts with such escapes in them where others have the character.
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class QualityTask:
    """A task of the benchmark: `figure` is the one that TweetEval reports for it, `goal` ours, in percent."""

    name: str
    labels: tuple[str, ...]
    figure: str
    goal: float
    folder: str
    #: A file in place of the folder's own training rows.
    train: str = ""


TASKS = (
    QualityTask(
        "sentiment", ("negative", "neutral", "positive"), "macro_recall", 70.5, "tweeteval/sentiment",
        "semeval_sentiment/train.csv",
    ),
    QualityTask("hate", ("not_hate", "hate"), "macro_f1", 46.0, "tweeteval/hate"),
    QualityTask("offensive", ("not_offensive", "offensive"), "macro_f1", 79.5, "tweeteval/offensive"),
)  # fmt: skip


def rows_of(task: QualityTask, mirror: Path, part: Split) -> Rows:
    """One part of a task's rows, in the order of its file, without blank ones.

    Raises:
        DataError: if a file is missing or has an unknown label.
    """
    is_own = part == "train" and task.train
    path = mirror / (task.train if is_own else task.folder)
    layout = Layout("csv" if is_own else "tweeteval")
    spec = TaskSpec(
        name=task.name,
        labels=task.labels,
        data=DataSpec(train=path.name, label_map={label.replace("_", "-"): label for label in task.labels[:1]}),
    )
    table = read_table(open_source(path), layout, part)
    mapped = {value: label.replace("-", "_") for value, label in table.mapping.items()}
    rows = decode_rows(table, label_decoder(spec).with_mapping(mapped)).rows
    return Rows([_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) for text in rows.texts], rows.label_ids)


def write_rows(mirror: Path, root: Path) -> Iterator[str]:
    """Write the files of all tasks below `root`; a line about each task."""
    tests = [rows_of(task, mirror, "test").texts for task in TASKS]
    test_texts = [text for texts in tests for text in texts]
    for task in TASKS:
        train, held_out = rows_of(task, mirror, "train"), rows_of(task, mirror, "validation")
        leaks_N = near_duplicates_across([train.texts, test_texts])[0][:, 1]
        train = train.take(np.flatnonzero(~leaks_N))
        half = stratified_sample(held_out.label_ids, len(held_out) // 2, SEED)
        rest = np.setdiff1d(np.arange(len(held_out)), half)
        parts = {"train": train, "validation": held_out.take(half), "selection": held_out.take(rest)}
        for part, rows in parts.items():
            _write(root / FOLDER / task.name / f"{part}.csv", rows, task.labels)
        counts = ", ".join(f"{part} {len(rows):,}" for part, rows in parts.items())
        yield f"{task.name}: {counts}; {int(leaks_N.sum())} training rows left out that are near test texts"


def _write(path: Path, rows: Rows, labels: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label"))
        writer.writerows((text, labels[label]) for text, label in zip(rows.texts, rows.label_ids.tolist(), strict=True))
