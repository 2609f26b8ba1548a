"""Rows that leak into held-out files: dropped from training, over all tasks of a job.

One encoder serves all tasks, so a text that trained task A and is a test row of task B makes B look better than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shared.errors import DataError
from worker.data.readers import Split
from worker.data.rows import Rows
from worker.data.similarity import near_duplicates_across
from worker.data.task_files import TaskRows, require_labels

#: A row leaves the later one of two parts.
ORDER: tuple[Split, ...] = ("test", "validation", "train")


def leak_reason(part: str, *, is_own: bool) -> str:
    """Why a row was dropped that has a near-duplicate in a held-out file."""
    return f"leaks into {part} (near-duplicate)" if is_own else f"leaks into {part} of another task (near-duplicate)"


def drop_leaks(tasks: Sequence[TaskRows], say: Callable[[str], None]) -> None:
    """Drop training rows that are near-duplicates of held-out ones, and validation rows that are of test rows.

    Raises:
        DataError: if nothing is left of a file, or of a label.
    """
    sides = [(number, part) for part in ORDER for number, task in enumerate(tasks) if part in _parts(task)]
    if all(part == "train" for _, part in sides):
        return
    say("looking for near-duplicates between the files")
    tables = near_duplicates_across([_parts(tasks[number])[part].texts for number, part in sides])
    for (number, part), table in zip(sides, tables, strict=True):
        task = tasks[number]
        rows = _parts(task)[part]
        file = task.ledger.files[part]
        is_leak = np.zeros(len(rows), dtype=np.bool_)
        before = [i for i, (_, other) in enumerate(sides) if ORDER.index(other) < ORDER.index(part)]
        # The own task's files first: a row that leaks into both is told as the own task's leak.
        for i in sorted(before, key=lambda i: sides[i][0] != number):
            found = table[:, i] & ~is_leak
            if found.any():
                reason = leak_reason(sides[i][1], is_own=sides[i][0] == number)
                task.ledger.drop(file, reason, int(found.sum()))
            is_leak |= found
        kept = rows.take(np.flatnonzero(~is_leak))
        if not len(kept):
            raise DataError(f"{file}: all its rows are near-duplicates of held-out rows")
        if part == "train":
            task.train = kept
            require_labels(kept, task.task, f"{file} (without near-duplicates of held-out rows)")
        else:
            task.held_out[part] = kept


def _parts(task: TaskRows) -> dict[Split, Rows]:
    return {"train": task.train, **task.held_out}
