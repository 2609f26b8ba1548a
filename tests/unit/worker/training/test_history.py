"""The curves of a training."""

from __future__ import annotations

import json

import pytest

from worker.training.history import POINTS, History


def history(steps: int) -> History:
    return History(["mood", "topic"], steps, lambda step: step / steps)


def test_history_of_a_short_training_has_every_step() -> None:
    """Means over the rows of the step; a task without rows in it has none."""
    curves = history(2)
    curves.add(0, {"mood": (3.0, 2), "topic": (1.0, 4)})
    curves.add(1, {"topic": (1.0, 2)})
    assert curves.describe() == {
        "step": [1, 2],
        "loss": {"mood": [1.5, None], "topic": [0.25, 0.5]},
        "rate_factor": [0.0, 0.5],
    }


@pytest.mark.parametrize("steps", [299, 300, 301, 1000, 12_345])
def test_history_of_a_long_training_is_bounded_and_loses_no_row(steps: int) -> None:
    """The report travels in records and over the wire."""
    curves = history(steps)
    for step in range(steps):
        curves.add(step, {"mood": (float(step), 1)})
    told = curves.describe()
    assert len(told["step"]) == len(told["loss"]["mood"]) <= POINTS
    assert told["step"][-1] == steps
    widths = [end - start for start, end in zip([0, *told["step"]], told["step"], strict=False)]
    total = sum(mean * width for mean, width in zip(told["loss"]["mood"], widths, strict=True))
    assert total == pytest.approx(steps * (steps - 1) / 2)


def test_history_restored_in_the_middle_of_a_point_ends_the_same() -> None:
    """A checkpoint falls anywhere; its state goes through JSON."""
    whole, first, second = history(1000), history(1000), history(1000)
    for step in range(1000):
        (first if step < 501 else second).add(step, {"mood": (0.1 * step, 3)})
        whole.add(step, {"mood": (0.1 * step, 3)})
        if step == 500:
            second.restore(json.loads(json.dumps(first.state())))
    assert second.describe() == whole.describe()
