"""Trials in the words of progress and report. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.spec import SearchSpec
from shared.trials import Trial
from worker.training.search.records import TrialRecord


def to_row(number: int, record: TrialRecord) -> Trial:
    """A trial as progress tells it."""
    return Trial(
        number=number,
        parameters={path: _text(value) for path, value in record.parameters.items()},
        state=record.state,
        value=record.value,
        seconds=record.seconds,
        error=record.error,
    )


def describe_search(search: SearchSpec, records: Sequence[TrialRecord], best: int, published: str) -> dict[str, Any]:
    """`search` in a job's report: how it was judged, all trials, the best one's number and what became of it."""
    weights = [f"{weight:g} x {name}" for name, weight in search.metric.items()]
    rows = []
    for number, record in enumerate(records, 1):
        row = record.model_dump(include={"parameters", "state", "value", "seconds", "error", "same_as"})
        rows.append({"number": number, **{name: value for name, value in row.items() if value not in (None, "")}})
    return {
        "objective": " + ".join(weights) or "mean macro_f1",
        "trials": rows,
        "best": best,
        "published": published,
    }


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
