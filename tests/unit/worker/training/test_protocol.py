"""What supervisor and trainer say to each other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from worker.training.protocol import Event, Failure, Progress, Result, TrainerInput, parse_event

EVENTS: list[Event] = [
    Progress(stage="training", step=3, steps=9, epoch=0.3, loss_by_task={"mood": 0.5}, examples_per_s=2.5, eta_s=1.0),
    Result(artifact_id="a", manifest_sha256="b", metrics={"mood": {"model": {"accuracy": 0.5}}}, report={}),
    Failure(code="INVALID_DATA", message="rows.csv, row 3: 'naïve' \n is no label", retryable=False),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_event_through_a_line_comes_back_equal(event: Event) -> None:
    """One line each, whatever is in the texts."""
    line = event.to_json_line()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert parse_event(line) == event


@pytest.mark.parametrize("line", ["", "hello", "{}", '{"event":"progress"}', '{"event":"failure","code":"x"}'])
def test_line_that_is_no_event_is_refused(line: str) -> None:
    """The supervisor must be able to tell a message from anything else."""
    with pytest.raises(ValueError, match="validation error"):
        parse_event(line)


@pytest.mark.parametrize("fields", [{"device": "tpu"}, {"threads": 0}, {"surprise": 1}])
def test_input_with_wrong_fields_is_refused(fields: dict[str, object]) -> None:
    """A misspelt field must not fall back to a default in silence."""
    body = {"store_url": "s", "job_id": "j", "claim": 0, "base_model": "b", "data_roots": ["d"], **fields}
    with pytest.raises(ValueError, match="validation error"):
        TrainerInput.model_validate(body)


def test_protocol_is_imported_without_torch() -> None:
    """The supervisor's process must stay small: it imports this module, and nothing that computes."""
    code = "import sys, worker.training.protocol; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
