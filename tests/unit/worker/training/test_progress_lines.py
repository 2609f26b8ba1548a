"""What a training run by hand writes to a log while it trains."""

from __future__ import annotations

import time

import pytest

from worker.training import run
from worker.training.protocol import Progress


def test_a_log_has_the_first_and_last_step_and_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    show = run._ProgressPrinter()
    for step, now_s in enumerate((1000.0, 1030.0, 1061.0, 1070.0, 1080.0)):  # noqa: B007 - the clock reads it
        show(Progress(stage="training", step=step, steps=4))
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in told] == ["0/4", "2/4", "4/4"]
