"""Tokenized rows of all tasks, side by side: what batches index and the loop reads.

Owns tokenizing for training. Which rows there are is worker.data; how they are drawn is worker.training.batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.text import TextEncoder
from worker.data.rows import Rows

Indices = npt.NDArray[np.int64]
#: Texts tokenized at a time: what the tokenizer returns for a text is kilobytes, and is dropped with its chunk.
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Corpus:
    """Row i has the `lengths[i]` tokens from `starts[i]` on, belongs to task number `task_ids[i]` and has
    `label_ids[i]`: a label of a single-label task, or a row of the 0/1 table that `tables` has for a multi-label one.

    Tokens are one flat array: as lists of ints, those of 71,000 short texts take 40 times the memory.
    """

    tokens: npt.NDArray[np.int32]
    starts: Indices
    lengths: Indices
    task_ids: Indices
    label_ids: Indices
    tables: Mapping[int, Indices] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        ids: Iterable[Sequence[int] | npt.NDArray[np.int32]],
        task_ids: Indices,
        label_ids: Indices,
        tables: Mapping[int, Indices] | None = None,
    ) -> Self:
        """A corpus of rows given one by one."""
        rows = [np.asarray(row, dtype=np.int32) for row in ids]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        tokens = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
        return cls(tokens, np.cumsum(lengths) - lengths, lengths, task_ids, label_ids, tables or {})

    def __len__(self) -> int:
        return len(self.lengths)

    def rows_of_task(self, task: int) -> Indices:
        """Indices of the rows of one task, ascending: the order of that task's rows."""
        return np.flatnonzero(self.task_ids == task)

    def targets_of_task(self, task: int) -> Indices:
        """What the rows of one task are trained towards, in their order: label ids (N), or 0/1 for each label (NxL)."""
        labels = self.label_ids[self.rows_of_task(task)]
        return self.tables[task][labels] if task in self.tables else labels

    def padded(self, batch: Indices, pad_token_id: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """ids_BT and mask_BT of the rows in `batch`, padded to the longest of them."""
        mask_BT = length_mask(self.lengths[batch])
        ids_BT = np.full(mask_BT.shape, pad_token_id, dtype=np.int64)
        ids_BT[mask_BT] = self.tokens[spans(self.starts[batch], self.lengths[batch])]
        return ids_BT, mask_BT


@dataclass(frozen=True, slots=True)
class Corpora:
    """The three parts of all tasks' data."""

    train: Corpus
    validation: Corpus
    test: Corpus


def tokenize(rows_by_task: Sequence[Rows], text: TextEncoder) -> Corpus:
    """All rows of all tasks, task after task."""
    texts = [item for rows in rows_by_task for item in rows.texts]
    chunks = (texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK))
    return Corpus.of(
        (np.array(item.ids, dtype=np.int32) for chunk in chunks for item in text.encode_blocking(chunk)),
        task_ids=np.repeat(np.arange(len(rows_by_task)), [len(rows.texts) for rows in rows_by_task]),
        label_ids=np.concatenate([r.label_ids if r.label_ids.ndim == 1 else np.arange(len(r)) for r in rows_by_task]),
        tables={number: rows.label_ids for number, rows in enumerate(rows_by_task) if rows.label_ids.ndim == 2},
    )


def length_mask(lengths: Indices) -> npt.NDArray[np.bool_]:
    """mask_BT: where a row of a padded batch has a token."""
    return np.asarray(np.arange(lengths.max(initial=0)) < lengths[:, None])


def spans(starts: Indices, lengths: Indices) -> Indices:
    """Positions in a flat array of the spans of these starts and lengths, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.repeat(starts - before, lengths) + np.arange(lengths.sum()))
