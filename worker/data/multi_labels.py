"""From the label cells of a multi-label task's row to its labels: one cell with a separator, or a 0/1 cell a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.errors import DataError
from shared.spec import TaskSpec
from worker.data.labels import canonical
from worker.data.rows import RawRow, RawTable

_YES, _NO = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no"})


@dataclass(frozen=True, slots=True)
class MultiLabelDecoder:
    """Turns cells into rows of 0 and 1, one for each of `labels`. Immutable."""

    labels: tuple[str, ...]
    ids: Mapping[str, int]
    separator: str

    def for_table(self, table: RawTable) -> Self:
        """No layout brings a meaning of its own for several labels."""
        return self

    def is_stray(self, row: RawRow) -> bool:
        return False

    def is_missing(self, row: RawRow) -> bool:
        """An empty cell is no missing label: the row has none."""
        return False

    def decode(self, row: RawRow, table: RawTable) -> tuple[int, ...]:
        """
        Raises:
            DataError: on a value that is neither the task's nor mapped; names file, row, column and value.
        """
        if table.label_columns:
            cells = zip(table.label_columns, row.marks, strict=True)
            return tuple(self._mark(cell, column, row, table) for column, cell in cells)
        found = [piece.strip() for piece in row.label.split(self.separator) if piece.strip()]
        for piece in found:
            if canonical(piece) not in self.ids:
                raise DataError(
                    f"{table.place(row)}, column {table.label_column!r}: unknown label {piece!r} (separated by "
                    f"{self.separator!r}); known: {', '.join(self.labels)}; add it to labels or say in label_map "
                    "what it means"
                )
        has = {self.ids[canonical(piece)] for piece in found}
        return tuple(int(number in has) for number in range(len(self.labels)))

    def as_array(self, decoded: Sequence[tuple[int, ...]]) -> npt.NDArray[np.int64]:
        return np.array(decoded, dtype=np.int64).reshape(len(decoded), len(self.labels))

    def _mark(self, cell: str, column: str, row: RawRow, table: RawTable) -> int:
        value = canonical(cell).lower()
        if value not in _YES | _NO:
            raise DataError(f"{table.place(row)}, column {column!r}: {cell!r} is neither 0 nor 1")
        return int(value in _YES)


def multi_label_decoder(task: TaskSpec) -> MultiLabelDecoder:
    """The decoder of a multi-label task: its labels and its label map."""
    ids = {canonical(label): number for number, label in enumerate(task.labels)}
    ids |= {canonical(value): task.labels.index(label) for value, label in task.data.label_map.items()}
    return MultiLabelDecoder(task.labels, ids, task.data.label_separator)
