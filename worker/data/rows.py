"""What the rooms of worker/data hand each other: a row as it was read, a table of them, rows ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in the file. `number` is the one a person sees there: a spreadsheet's row or a line."""

    number: int
    text: str
    label: str
    is_blank: bool = False
    #: The cells of the label columns, where a multi-label task has one for each label; `label` is empty then.
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """One file's rows (of the TweetEval layout: one split's), before any judgement about them."""

    name: str
    rows: list[RawRow]
    label_column: str
    #: In place of `label_column`, where there is a column for each label.
    label_columns: tuple[str, ...] = ()
    encoding: str
    #: Hash of every file that was read, by name.
    sha256: Mapping[str, str]
    #: Value in the file -> label, where the layout brings a mapping of its own.
    mapping: Mapping[str, str]

    def place(self, row: RawRow) -> str:
        """Where `row` is, for messages."""
        return f"{self.name}, row {row.number}"


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts with their labels, in the order of the task's labels (int64).

    `label_ids` has the index of each row's label (N), or, of a multi-label task, a 0/1 table of rows x labels (N x L).
    """

    texts: list[str]
    label_ids: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: npt.NDArray[np.int64]) -> Rows:
        """The rows at `index`, in that order."""
        return Rows([self.texts[i] for i in index], self.label_ids[index])

    def has_label(self, num_labels: int) -> npt.NDArray[np.bool_]:
        """A table of rows x labels, whichever kind the task is."""
        ids = self.label_ids
        table: npt.NDArray[np.bool_] = ids == 1 if ids.ndim == 2 else ids[:, None] == np.arange(num_labels)
        return table
