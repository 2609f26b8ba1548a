"""Trials of a search as a person sees them, while they run and when they are done."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from polyhead.cli import progress
from polyhead.cli.progress import JobDisplay
from polyhead.cli.trials import outcome_line, trial_line, trial_table
from polyhead.results import Job, JobProgress, JobState, SearchProgress, Trial

DONE = (
    Trial(1, {"optimizer.head_lr": "0.001"}, "complete", 0.8124, 2.5),
    Trial(2, {"optimizer.head_lr": "0.1"}, "failed", None, 0.3, "the loss is nan"),
)
RUNNING = JobProgress("training", 3, 10, 0.5, {}, 9.0, 1.0, search=SearchProgress(3, 6, 0.8124, DONE))
JOB = Job("1", "r", JobState.RUNNING, 1, None, None, {"search": {}}, RUNNING, {}, {}, 0, None)


def _printed(item: object) -> str:
    console = Console(width=120, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(item)
    return captured.get()


def test_trial_table_of_a_running_search_shows_what_is_done() -> None:
    """Which values were tried, what came of them, which is best."""
    text = _printed(trial_table(JOB))
    assert "trial 3/6 best 0.812 runs" in text
    assert "0.8124*" in text
    assert "failed: the loss is nan" in text


def test_trial_table_of_a_finished_search_comes_from_its_report() -> None:
    """Progress is gone by then; the report stays."""
    rows = [
        {"number": 1, "parameters": {"freeze": {"policy": "none"}}, "state": "complete", "value": 0.5, "seconds": 1},
        {"number": 2, "parameters": {"freeze": {"policy": "backbone"}}, "state": "pruned", "value": 0.7, "seconds": 1},
    ]
    search = {"trials": rows, "best": 1, "objective": "mean macro_f1", "published": "the weights of trial 1"}
    job = replace(JOB, state=JobState.SUCCEEDED, progress=None, report={"search": search})
    text = _printed(trial_table(job))
    assert "judged by mean macro_f1" in text
    assert "0.5000*" in text
    assert "0.7000*" not in text, "a trial that was given up is not the best"
    assert outcome_line(job) == "best trial: 1 (the weights of trial 1)"


def test_job_without_a_search_has_no_trials() -> None:
    """Nothing of it clutters other jobs."""
    job = replace(JOB, spec={}, progress=replace(RUNNING, search=None))
    assert trial_table(job) is None
    assert outcome_line(job) == ""


def test_watching_a_search_prints_each_finished_trial_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress comes four times a second; a line a trial is what a log wants."""
    console = Console(file=io.StringIO(), width=120)
    monkeypatch.setattr(progress, "errors_out", console)
    with JobDisplay() as display:
        display.show(JOB)
        display.show(JOB)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert printed.count("trial 1 complete: 0.812 with optimizer.head_lr 0.001 (2.5 s)") == 1
    assert printed.count("trial 2 failed: the loss is nan") == 1
    assert "trial 3/6 best 0.812" in printed
    assert trial_line(DONE[1]) == "trial 2 failed: the loss is nan with optimizer.head_lr 0.1 (0.3 s)"
