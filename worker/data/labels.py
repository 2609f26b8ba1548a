"""From the value in a label cell to a label of the task. Owns numeric spellings, label maps and stray values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import DataError
from shared.spec import TaskSpec
from worker.data.presets import PRESETS

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
