"""Held-out rows for the tasks that have no file of them: split off the training rows of all tasks together.

Near-duplicates over all tasks form groups, and a group's rows are on one side for every task (docs/decisions/0007).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from shared.spec import SplitSpec
from worker.data.known import Hashes, is_known
from worker.data.readers import Split
from worker.data.similarity import near_duplicate_groups
from worker.data.splitting import Column, Flags, split_rows
from worker.data.task_files import TaskRows

HELD_OUT: tuple[Split, ...] = ("validation", "test")


def hold_out(
    tasks: Sequence[TaskRows], split: SplitSpec, known: Mapping[str, Hashes], say: Callable[[str], None]
) -> None:
    """Move rows from `train` to the parts that a task has no file for. Texts in `known` stay in train if they can.

    Raises:
        DataError: if a label has too few rows to be in every part.
    """
    open_tasks = [task for task in tasks if len(task.held_out) < len(HELD_OUT)]
    if not open_tasks:
        return
    # Tasks with files for both parts take part in nothing: what leaks into their files has left already, and what of
    # their training rows others would hold out is found here.
    texts = [text for task in tasks for text in task.train.texts]
    say(f"looking for near-duplicates among {len(texts):,} texts")
    groups = near_duplicate_groups(texts)
    columns = [column for task in tasks for column in _columns(task, split)]
    part_of = split_rows(_table(tasks), columns, groups, is_known(texts, known.values()), split.seed)
    ends = np.cumsum([len(task.train) for task in tasks])[:-1]
    for task, own in zip(tasks, np.split(part_of, ends), strict=True):
        _divide(task, own)


def _columns(task: TaskRows, split: SplitSpec) -> list[Column]:
    shares = {"validation": split.validation, "test": split.test}
    own = tuple(0.0 if part in task.held_out else shares[part] for part in HELD_OUT)
    # The rows themselves are kept in proportion too where a row may have no label or several.
    names = (*task.task.labels, "") if task.train.label_ids.ndim == 2 else task.task.labels
    return [Column(name, own, task.file) for name in names]


def _table(tasks: Sequence[TaskRows]) -> Flags:
    """Rows of all tasks x columns of all tasks."""
    blocks = []
    for task in tasks:
        block = task.train.has_label(len(task.task.labels))
        if task.train.label_ids.ndim == 2:
            block = np.hstack([block, np.ones((len(block), 1), dtype=np.bool_)])
        blocks.append(block)
    table = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)), dtype=np.bool_)
    row = column = 0
    for block in blocks:
        table[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return table


def _divide(task: TaskRows, part_of: npt.NDArray[np.int64]) -> None:
    train = task.train
    for number, part in enumerate(HELD_OUT, start=1):
        rows = train.take(np.flatnonzero(part_of == number))
        if part not in task.held_out:
            task.held_out[part] = rows
        elif len(rows):
            # The task's held-out rows are a file's; this text is a held-out row of another task.
            task.ledger.drop(task.file, f"held out for {part} of another task (near-duplicate)", len(rows))
    task.train = train.take(np.flatnonzero(part_of == 0))
