"""Tokenized rows of all tasks, side by side: what batches index and the loop reads.

Owns tokenizing for training. Which rows there are is worker.data; how they are drawn is worker.training.batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.text import TextEncoder
from worker.data.rows import Rows

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Row i has tokens `ids[i]`, `lengths[i]` of them, belongs to task number `task_ids[i]` and has `label_ids[i]`."""

    ids: list[list[int]]
    lengths: Indices
    task_ids: Indices
    label_ids: Indices

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of_task(self, task: int) -> Indices:
        """Indices of the rows of one task, ascending: the order of that task's rows."""
        return np.flatnonzero(self.task_ids == task)


@dataclass(frozen=True, slots=True)
class Corpora:
    """The three parts of all tasks' data."""

    train: Corpus
    validation: Corpus
    test: Corpus


def tokenize(rows_by_task: Sequence[Rows], text: TextEncoder) -> Corpus:
    """All rows of all tasks, task after task."""
    ids = [item.ids for rows in rows_by_task for item in text.encode_blocking(rows.texts)]
    return Corpus(
        ids=ids,
        lengths=np.array([len(row) for row in ids], dtype=np.int64),
        task_ids=np.repeat(np.arange(len(rows_by_task)), [len(rows.texts) for rows in rows_by_task]),
        label_ids=np.concatenate([rows.label_ids for rows in rows_by_task]),
    )
