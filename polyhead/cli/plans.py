"""What a job spec comes to before anything is trained: rates and schedule. Pure: what to print, not where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table


def rates_table(plan: Mapping[str, Any]) -> Table:
    """The learning rate of each part of the model, bottom first, and from when on it is trained.

    What is thawed late does not reach it: rates fall over the steps, which are not known before the data is read. The
    report of the job has the peaks that were reached.
    """
    title = f"learning rates for {plan.get('base_model', '?')}, {plan.get('layers', '?')} layers"
    table = Table(title=title, title_justify="left")
    table.add_column("part")
    table.add_column("rate before schedule", justify="right")
    table.add_column("trained")
    for row in plan.get("learning_rates", ()):
        is_trained = row.get("trained") != "never"
        table.add_row(str(row.get("part", "?")), f"{row.get('lr', 0):.2e}" if is_trained else "-", str(row["trained"]))
    return table


def schedule_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """The stages of gradual unfreezing, and a warning of what the job ends too early for."""
    stages = plan.get("stages", ())
    if len(stages) > 1 or plan.get("stages_not_reached"):
        yield "schedule: " + ", ".join(_stage(stage) for stage in stages)
    missed = plan.get("stages_not_reached", ())
    if missed:
        yield f"never thawed, since the job ends before: {', '.join(missed)}; more epochs or a smaller every reach them"


def _stage(stage: Mapping[str, Any]) -> str:
    start = next((f"{name.removeprefix('from_')} {value}" for name, value in stage.items() if name != "trained"), "?")
    return f"{stage.get('trained', '?')} from {start} on"
