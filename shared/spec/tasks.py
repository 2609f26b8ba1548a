"""The tasks of a job: one classification head each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.errors import Violation
from shared.spec.class_weights import ClassWeightsSpec, class_weight_misfits
from shared.spec.data import DataSpec
from shared.spec.multi_label import multi_label_misfits
from shared.spec.part import Label, Name, SpecPart, sequence


class TaskSpec(SpecPart):
    """One classification head: its name, its labels in output order, its data."""

    name: Name
    #: Each row has exactly one of the labels, or any number of them.
    kind: Literal["single_label", "multi_label"] = "single_label"
    labels: tuple[Label, ...]
    data: DataSpec
    #: Factor of the task's loss in the sum over tasks (Kurin et al. 2022: cleverer schemes do not beat it).
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0

    class_weights: ClassWeightsSpec = ClassWeightsSpec()

    @field_validator("labels")
    @classmethod
    def _enough_and_different(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        least = 1 if info.data.get("kind") == "multi_label" else 2
        if len(value) < least:
            raise ValueError(f"a task needs at least {least} labels, this one has {len(value)}")
        twice = sorted({label for label in value if value.count(label) > 1})
        if twice:
            raise ValueError(f"labels must differ; named more than once: {', '.join(twice)}")
        return value


def task_misfits(tasks: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    """What is wrong between the tasks, and between the parts of one."""
    names = [task.get("name") for task in tasks]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield Violation(f"tasks[{index}].name", f"{name!r} is the name of an earlier task; names must differ")
    for index, task in enumerate(tasks):
        yield from _label_map_misfits(index, task)
        yield from class_weight_misfits(index, task)
        yield from multi_label_misfits(index, task)


def _label_map_misfits(index: int, task: Mapping[str, Any]) -> Iterator[Violation]:
    data, labels = task.get("data"), sequence(task.get("labels"))
    label_map = data.get("label_map") if isinstance(data, Mapping) else None
    for value, label in label_map.items() if isinstance(label_map, Mapping) else ():
        if label not in labels:
            known = ", ".join(map(str, labels))
            yield Violation(f"tasks[{index}].data.label_map[{value}]", f"{label!r} is not one of labels: {known}")
