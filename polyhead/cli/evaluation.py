"""What `polyhead jobs show` tells of a finished job beyond its main figures. Pure: what to print, not where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

FIGURES = ("accuracy", "macro_f1", "macro_recall", "cross_entropy")
#: Larger confusion matrices do not fit a terminal; --json has them.
MAX_LABELS = 12


def evaluation_tables(metrics: Mapping[str, Any], labels: Mapping[str, Sequence[str]]) -> Iterator[Table]:
    """Intervals, calibration, slices by length and confusion of each task; what a job does not have is left out."""
    models = {task: body["model"] for task, body in metrics.items() if isinstance(body, Mapping) and "model" in body}
    if any("intervals" in model for model in models.values()):
        yield _intervals(models)
    if any("slices" in model for model in models.values()):
        yield _slices(models)
    for task, model in models.items():
        if "confusion" in model and len(labels.get(task, ())) == len(model["confusion"]) <= MAX_LABELS:
            yield _confusion(task, labels[task], model["confusion"])


def stopping_note(report: Mapping[str, Any]) -> str:
    """How validation during training ended, in one line; empty for a job without."""
    stopping = report.get("stopping")
    if not isinstance(stopping, Mapping):
        return ""
    end = "stopped early" if stopping.get("stopped_early") else "trained to the end"
    weights = "the best weights are kept" if stopping.get("restored") else "the last weights are kept"
    best = f"best validation {_number(stopping.get('best_value'))} after step {stopping.get('best_step')}"
    return f"{end} at step {stopping.get('last_step')}; {best}; {weights}"


def _intervals(models: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        "task", title="95 % intervals (bootstrap), and calibration error before and after", title_justify="left"
    )
    for name in (*FIGURES, "ece before", "ece after"):
        table.add_column(name, justify="right")
    for task, model in models.items():
        bounds = (model.get("intervals", {}).get(name) for name in FIGURES)
        cells = (f"{bound['low']:.3f} to {bound['high']:.3f}" if bound else "-" for bound in bounds)
        table.add_row(task, *cells, _number(model.get("uncalibrated", {}).get("ece")), _number(model.get("ece")))
    return table


def _slices(models: Mapping[str, Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for model in models.values() for part in model.get("slices", ()) for name in part))
    table = Table("task", title="by length, in tokens", title_justify="left")
    for name in names:
        table.add_column(name, justify="right")
    for task, model in models.items():
        for number, part in enumerate(model.get("slices", ())):
            table.add_row(task if number == 0 else "", *(_number(part.get(name)) for name in names))
        table.add_section()
    return table


def _confusion(task: str, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Table:
    table = Table(
        f"{task}: is", title="confusion: rows of each label, and what they were told to be", title_justify="left"
    )
    for label in labels:
        table.add_column(f"told {label}", justify="right")
    for label, row in zip(labels, counts, strict=True):
        table.add_row(label, *(str(count) for count in row))
    return table


def _number(value: object) -> str:
    if isinstance(value, int | str):
        return str(value)
    return f"{value:.3f}" if isinstance(value, float) else "-"
