"""Weights of a task's labels in its loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import Label, SpecPart, sequence

Weight = Annotated[float, Field(gt=0, le=1000)]


class ClassWeightsSpec(SpecPart):
    """Factors of the rows' losses by label; a label that has none named counts 1.

    balanced: rows / (labels x rows with the label), as scikit-learn does it. explicit: `weights`. In a multi-label task
    a factor weighs the rows that have the label (PyTorch's pos_weight); balanced is rows without it / rows with it.
    """

    policy: Literal["none", "balanced", "explicit"] = "none"
    #: With explicit: label -> factor.
    weights: dict[Label, Weight] = {}


def class_weight_misfits(index: int, task: Mapping[str, Any]) -> Iterator[Violation]:
    """What does not go together within a task's `class_weights`, or with its labels."""
    spec = task.get("class_weights")
    if not isinstance(spec, Mapping):
        return
    path, policy, weights = f"tasks[{index}].class_weights", spec.get("policy", "none"), spec.get("weights") or {}
    if policy == "explicit" and not weights:
        yield Violation(f"{path}.weights", "is empty; policy explicit needs a factor for at least one label")
    if policy != "explicit" and weights:
        yield Violation(f"{path}.weights", f"goes with policy explicit, not with {policy}")
    labels = sequence(task.get("labels"))
    for label in weights if isinstance(weights, Mapping) else ():
        if label not in labels:
            known = ", ".join(map(str, labels))
            yield Violation(f"{path}.weights[{label}]", f"{label!r} is not one of labels: {known}")
