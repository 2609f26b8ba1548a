"""What `polyhead jobs show` prints of a job's evaluation."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from polyhead.cli.evaluation import MAX_LABELS, evaluation_tables, stopping_note

MODEL = {
    "ece": 0.02,
    "uncalibrated": {"ece": 0.11},
    "intervals": {"macro_f1": {"low": 0.71, "high": 0.79}},
    "slices": [{"tokens": "1-16", "rows": 20, "accuracy": 0.9}, {"tokens": "17-32", "rows": 7, "accuracy": 0.5}],
    "confusion": [[14, 1], [2, 10]],
}


def printed(metrics: dict[str, Any], labels: dict[str, list[str]]) -> list[str]:
    console = Console(file=StringIO(), width=120)
    for table in evaluation_tables(metrics, labels):
        console.print(table)
    assert isinstance(console.file, StringIO)
    return [" ".join(line.replace("│", " ").split()) for line in console.file.getvalue().splitlines()]


def test_evaluation_shows_intervals_slices_and_confusion() -> None:
    """Numbers alone do not say how certain they are, nor where they come from."""
    lines = printed({"mood": {"model": MODEL}}, {"mood": ["bad", "good"]})
    assert "mood - 0.710 to 0.790 - - 0.110 0.020" in lines
    assert "mood 1-16 20 0.900" in lines
    assert "17-32 7 0.500" in lines
    assert "bad 14 1" in lines


def test_evaluation_of_an_older_job_shows_what_it_has() -> None:
    """Jobs outlive the version of the code that ran them."""
    assert printed({"mood": {"model": {"accuracy": 0.5}}}, {"mood": ["bad", "good"]}) == []
    assert printed({}, {}) == []


def test_evaluation_with_many_labels_leaves_the_matrix_to_json() -> None:
    """A table wider than any terminal helps nobody."""
    size = MAX_LABELS + 1
    assert printed({"t": {"model": {"confusion": [[0] * size] * size}}}, {"t": [str(n) for n in range(size)]}) == []


def test_stopping_note_says_where_it_ended_and_what_is_kept() -> None:
    """Otherwise a training that ended early looks like one that lost its steps."""
    stopping = {"best_step": 40, "best_value": 0.8125, "last_step": 70, "stopped_early": True, "restored": True}
    assert stopping_note({"stopping": stopping}) == (
        "stopped early at step 70; best validation 0.812 after step 40; the best weights are kept"
    )
    assert stopping_note({}) == ""
