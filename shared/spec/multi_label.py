"""What only multi-label tasks have, and what they cannot have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import Violation
from shared.spec.part import sequence

DEFAULT_SEPARATOR = "|"


def multi_label_misfits(index: int, task: Mapping[str, Any]) -> Iterator[Violation]:
    """What in a task's data does not go with its kind."""
    data, labels = task.get("data"), sequence(task.get("labels"))
    if not isinstance(data, Mapping):
        return
    path = f"tasks[{index}].data"
    columns, separator = sequence(data.get("label_columns")), data.get("label_separator", DEFAULT_SEPARATOR)
    if task.get("kind", "single_label") != "multi_label":
        if columns:
            yield Violation(f"{path}.label_columns", "goes with kind multi_label; this task is single_label")
        if separator != DEFAULT_SEPARATOR:
            yield Violation(f"{path}.label_separator", "goes with kind multi_label; this task is single_label")
        return
    if data.get("preset"):
        yield Violation(
            f"{path}.preset", f"{data['preset']!r} is a layout of single-label data; this task is multi_label"
        )
    if columns and len(columns) != len(labels):
        yield Violation(
            f"{path}.label_columns",
            f"has {len(columns)} columns for {len(labels)} labels; name one for each label, in their order",
        )
    if columns and data.get("label_map"):
        yield Violation(f"{path}.label_map", "does not go with label_columns, whose cells are 0 or 1")
    if columns and data.get("format") == "tweeteval":
        yield Violation(f"{path}.label_columns", "a folder in the TweetEval layout has no columns; use label_separator")
    if not columns and isinstance(separator, str) and separator:
        for number, label in enumerate(labels):
            if isinstance(label, str) and separator in label:
                yield Violation(
                    f"tasks[{index}].labels[{number}]",
                    f"{label!r} holds the separator {separator!r}; choose another data.label_separator",
                )


def balanced_misfits(sampling: Mapping[str, Any], tasks: list[Mapping[str, Any]]) -> Iterator[Violation]:
    """Balancing labels means drawing each equally often, which rows with several labels do not allow."""
    if sampling.get("within") == "class_balanced":
        for task in tasks:
            if task.get("kind") == "multi_label":
                yield Violation(
                    "sampling.within",
                    f"class_balanced draws each label equally often, but rows of {task.get('name')!r} have several; "
                    "use class_weights {policy: balanced} for it",
                )
