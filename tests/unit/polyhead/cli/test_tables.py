"""Tables fit the width of a pipe and of a common terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from polyhead.cli.output import age
from polyhead.cli.tables import jobs_table
from polyhead.results import Job, JobError, JobProgress, JobState

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def job(number: int, state: JobState, error: JobError | None = None, progress: JobProgress | None = None) -> Job:
    return Job(
        id=f"{number:016x}",
        request_id="r",
        state=state,
        attempt=2,
        submitted_at=NOW,
        finished_at=None,
        spec={"tasks": [{"name": "sentiment"}, {"name": "hate_speech"}, {"name": "a-third-task"}]},
        progress=progress,
        metrics={},
        report={},
        version=123,
        error=error,
    )


@pytest.mark.parametrize("width", [80, 120])
def test_jobs_take_one_line_each_and_keep_their_ids(width: int) -> None:
    """A list whose every cell wraps cannot be read, and an id that is cut cannot be pasted."""
    jobs = [
        job(1, JobState.SUCCEEDED),
        job(2, JobState.RUNNING, progress=JobProgress("loading model", 17, 3000, 1.0, {}, 1.0, 1.0)),
        job(3, JobState.CANCELLED, error=JobError("INVALID_DATA", "train.csv row 7: no text here " * 20)),
    ]
    console = Console(width=width, record=True, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(jobs_table(jobs))
    lines = [line for line in captured.get().splitlines() if line.strip()]
    assert len(lines) == 2 + len(jobs)
    assert all(item.id in line for item, line in zip(jobs, lines[2:], strict=True))
    assert "CANCELLED #2" in lines[4]
    assert "INVALID_DATA: t" in lines[4]
    assert "loading model 17" in lines[3]


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=23), "23h"),
        (timedelta(days=9, hours=5), "9d"),
        (timedelta(seconds=-5), "0s"),
    ],
)
def test_age_is_in_the_largest_unit(passed: timedelta, shown: str) -> None:
    """Clocks of two machines differ: the future is now."""
    assert age(NOW - passed, NOW) == shown


def test_age_of_an_unknown_moment_is_a_dash() -> None:
    """Servers may not say."""
    assert age(None, NOW) == "-"
