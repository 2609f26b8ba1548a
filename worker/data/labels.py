"""From the value in a label cell to a label of the task. Owns numeric spellings, label maps and stray values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.errors import DataError
from shared.spec import TaskSpec
from worker.data.presets import PRESETS
from worker.data.rows import RawRow, RawTable

#: Emotion sets have up to 28 labels (GoEmotions), emoji sets 64; a text column by mistake has thousands.
_MAX_OBSERVED_LABELS = 200
_WHOLE_NUMBER = re.compile(r"([+-]?)0*(\d+)(?:\.0*)?")


def canonical(value: str) -> str:
    """One spelling for one value: ` 1`, `1.0`, `+1` and `01` are `1`."""
    value = value.strip()
    if match := _WHOLE_NUMBER.fullmatch(value):
        sign, digits = match.groups()
        return f"-{digits}" if sign == "-" and digits != "0" else digits
    return value


@dataclass(frozen=True, slots=True)
class LabelDecoder:
    """Turns cell values into label ids. Immutable."""

    labels: tuple[str, ...]
    ids: Mapping[str, int]
    stray: frozenset[str] = frozenset()
    #: As in the spec, for messages.
    spellings: tuple[str, ...] = field(default=())

    def for_table(self, table: RawTable) -> LabelDecoder:
        """With the meanings that the table's layout brings."""
        return self.with_mapping(table.mapping)

    def is_stray(self, row: RawRow) -> bool:
        """Whether the value marks the row as no row at all."""
        return row.label in self.stray

    def is_missing(self, row: RawRow) -> bool:
        return not row.label

    def decode(self, row: RawRow, table: RawTable) -> int:
        """
        Raises:
            DataError: on a label that is neither the task's nor mapped; names file, row, column and value.
        """
        label_id = self.ids.get(canonical(row.label))
        if label_id is None:
            raise DataError(
                f"{table.place(row)}, column {table.label_column!r}: unknown label {row.label!r}; "
                f"known: {', '.join(self.spellings)}; add it to labels or say in label_map what it means"
            )
        return label_id

    def as_array(self, decoded: Sequence[int]) -> npt.NDArray[np.int64]:
        return np.array(decoded, dtype=np.int64)

    def with_mapping(self, mapping: Mapping[str, str]) -> LabelDecoder:
        """Also take the file's own values (`0`) that a layout's mapping.txt gives a name (`not-hate`).

        A value that the task maps itself keeps its meaning.
        """
        ids = dict(self.ids)
        named = {canonical(value): label for value, label in mapping.items() if canonical(label) in self.ids}
        for value, label in named.items():
            ids.setdefault(value, self.ids[canonical(label)])
        return LabelDecoder(self.labels, ids, self.stray, (*self.spellings, *named))


def label_decoder(task: TaskSpec) -> LabelDecoder:
    """The decoder of a task: its labels, its label map, and its preset's.

    Raises:
        DataError: if the preset's labels are not the task's.
    """
    preset = PRESETS[task.data.preset] if task.data.preset else None
    ids = {canonical(label): i for i, label in enumerate(task.labels)}
    spellings = list(task.labels)
    own = {canonical(value) for value in task.data.label_map}
    label_map = {**(preset.label_map if preset else {}), **task.data.label_map}
    for value, label in label_map.items():
        if label not in task.labels:
            if canonical(value) in own:
                continue  # the preset's meaning of a value that the task maps itself
            raise DataError(
                f"task {task.name!r}: preset {task.data.preset!r} maps {value!r} to {label!r}, which is not a label of "
                f"the task ({', '.join(task.labels)}); use its labels or say in data.label_map what its values mean"
            )
        ids[canonical(value)] = task.labels.index(label)
        spellings.append(value)
    return LabelDecoder(
        task.labels, ids, preset.stray_labels if preset else frozenset(), tuple(dict.fromkeys(spellings))
    )


def observed_decoder(tables: Sequence[RawTable], label_map: Mapping[str, str]) -> LabelDecoder:
    """A decoder for files whose labels nobody named: every value is a label, or what `label_map` makes of it.

    Raises:
        DataError: if there are so many values that this can hardly be a label column.
    """
    meanings: dict[str, str] = {}
    for table in tables:
        own = {canonical(value): label for value, label in (*table.mapping.items(), *label_map.items())}
        for row in table.rows:
            if row.label and not row.is_blank:
                value = canonical(row.label)
                meanings.setdefault(value, own.get(value, value))
        if len(meanings) > _MAX_OBSERVED_LABELS:
            raise DataError(
                f"{table.name}, column {table.label_column!r}: more than {_MAX_OBSERVED_LABELS} different values; "
                "name the column that holds the labels"
            )
    # Numbers go first and by size, since a mapping.txt lists 0, 1, 2; the others by alphabet.
    in_order = sorted(meanings, key=lambda value: (not value.isdigit(), int(value) if value.isdigit() else 0, value))
    labels = tuple(dict.fromkeys(meanings[value] for value in in_order))
    ids = {value: labels.index(label) for value, label in meanings.items()}
    return LabelDecoder(labels, ids, spellings=tuple(meanings))
