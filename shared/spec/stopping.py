"""Validation during training: when to stop, which weights to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import Name, SpecPart, sequence

#: Figures that may decide, by kind of task; those of LOWER_IS_BETTER count with a minus.
FIGURES: dict[str, tuple[str, ...]] = {
    "single_label": ("macro_f1", "macro_recall", "accuracy", "cross_entropy"),
    "multi_label": ("macro_f1", "micro_f1", "macro_recall", "subset_accuracy", "cross_entropy"),
}
LOWER_IS_BETTER = ("cross_entropy",)


class StoppingMetric(SpecPart):
    """One figure of one task, and how much it counts."""

    task: Name
    metric: str = "macro_f1"
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0


class StoppingSpec(SpecPart):
    """Early stopping (Prechelt 1998) on a weighted mean of validation figures. The field being there turns it on."""

    #: Empty: macro-F1 of every task, each counting the same.
    metrics: tuple[StoppingMetric, ...] = ()
    every: Literal["epoch", "steps"] = "epoch"
    #: With every `steps`: so many between two validations.
    steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    #: Stop after so many validations in a row that were no better; 0: never, only keep the best weights.
    patience: Annotated[int, Field(ge=0, le=1000)] = 3
    #: Better means better by more than this.
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    #: End with the weights of the best validation instead of the last ones.
    restore_best: bool = True


def stopping_misfits(stopping: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    """What in `stopping` does not go together, or with the job's tasks."""
    every, steps = stopping.get("every", "epoch"), stopping.get("steps")
    if every == "steps" and not steps:
        yield Violation("stopping.steps", "is 0; every steps needs the number of steps between two validations")
    if every == "epoch" and steps:
        yield Violation("stopping.steps", f"goes with every steps, not with every epoch (got {steps!r})")
    kinds = {str(task.get("name")): str(task.get("kind", "single_label")) for task in tasks}
    seen = set()
    for index, metric in enumerate(sequence(stopping.get("metrics"))):
        if not isinstance(metric, Mapping):
            continue
        where, task, name = f"stopping.metrics[{index}]", str(metric.get("task")), str(metric.get("metric", "macro_f1"))
        if "task" in metric and task not in kinds:
            known = ", ".join(kinds) or "none"
            yield Violation(f"{where}.task", f"{task!r} is not one of the job's tasks: {known}")
        known_figures = FIGURES.get(kinds.get(task, ""), tuple(dict.fromkeys(sum(FIGURES.values(), ()))))
        if name not in known_figures:
            yield Violation(f"{where}.metric", f"{name!r} is not one of {', '.join(known_figures)}")
        if (task, name) in seen:
            yield Violation(where, f"{task}.{name} is named twice")
        seen.add((task, name))
