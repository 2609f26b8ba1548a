"""Trials of a search as people read them. Pure: what to print, not where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from polyhead.cli.output import shorten
from polyhead.results import Job, SearchProgress, Trial

_BEST = "*"


def trial_table(job: Job) -> Table | None:
    """The job's trials: from its report when it has ended, else as far as they are told; None without a search."""
    if isinstance(job.report.get("search"), Mapping):
        search = job.report["search"]
        rows = [_from_report(row) for row in search.get("trials", ())]
        return _table(f"trials, judged by {search.get('objective', 'validation figures')}", rows)
    if job.progress is not None and job.progress.search is not None:
        progress = job.progress.search
        return _table(f"trials, {headline(progress)} runs", progress.done)
    return None


def outcome_line(job: Job) -> str:
    """What became of the best trial; empty without a search."""
    search = job.report.get("search")
    if not isinstance(search, Mapping) or not search.get("best"):
        return ""
    return f"best trial: {search['best']} ({search.get('published', 'not published')})"


def is_report_only(job: Job) -> bool:
    """Whether the job's search was to be reported and not published."""
    search = job.spec.get("search")
    return isinstance(search, Mapping) and search.get("then") == "report"


def headline(progress: SearchProgress) -> str:
    """`trial 3/6 best 0.812`."""
    best = f" best {progress.best:.3f}" if progress.best is not None else ""
    return f"trial {progress.trial}/{progress.trials}{best}"


def trial_line(trial: Trial) -> str:
    """One finished trial in a line."""
    values = ", ".join(f"{path} {value}" for path, value in trial.parameters.items())
    outcome = f"{trial.value:.3f}" if trial.value is not None else trial.error
    return f"trial {trial.number} {trial.state}: {outcome} with {values} ({trial.seconds:.1f} s)"


def _table(title: str, rows: Sequence[Trial]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    paths = list(dict.fromkeys(path for row in rows for path in row.parameters))
    for name in paths:
        table.add_column(name, justify="right")
    table.add_column("value", justify="right")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    values = [row.value for row in rows if row.state == "complete" and row.value is not None]
    best = max(values, default=None)
    for row in rows:
        mark = _BEST if row.state == "complete" and row.value == best else ""
        state = f"{row.state}: {shorten(row.error)}" if row.error else row.state
        value = f"{row.value:.4f}{mark}" if row.value is not None else "-"
        cells = (row.parameters.get(path, "-") for path in paths)
        table.add_row(str(row.number), *cells, value, state, f"{row.seconds:.1f}")
    return table


def _from_report(row: Mapping[str, Any]) -> Trial:
    return Trial(
        number=int(row.get("number", 0)),
        parameters={path: as_text(value) for path, value in row.get("parameters", {}).items()},
        state=str(row.get("state", "")),
        value=row.get("value"),
        seconds=float(row.get("seconds", 0.0)),
        error=str(row.get("error", "")),
    )


def as_text(value: object) -> str:
    """A parameter's value in a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
