"""A loss that rises."""

from __future__ import annotations

import json

import pytest

from shared.errors import DivergedError
from worker.training.divergence import FIRST_STEPS, LossWatch
from worker.training.process import describe_failure


def feed(watch: LossWatch, losses: list[float], first: int = 0) -> None:
    for step, loss in enumerate(losses, first):
        watch.add(step, loss, "mood", 0.01)


def test_loss_that_rises_over_its_bound_fails_and_says_what_to_do() -> None:
    """Hours on a training that is lost are worth less than the sentence that says so."""
    with pytest.raises(DivergedError, match=r"in step \d+, .* times its lowest value 1; .*task mood.* lower optimizer"):
        feed(LossWatch(3.0), [1.0] * 30 + [10.0] * 30)


def test_single_odd_batch_is_no_divergence() -> None:
    """The smoothed loss is judged."""
    feed(LossWatch(3.0), [1.0] * 30 + [10.0] + [1.0] * 30)


@pytest.mark.parametrize(
    ("ratio", "losses"), [(0.0, [1.0] * 30 + [1e9] * 30), (3.0, [1.0] + [9.0] * (FIRST_STEPS - 1))]
)
def test_loss_is_not_judged_when_it_is_off_or_has_just_begun(ratio: float, losses: list[float]) -> None:
    """Off by default; and the first steps of a warm-up say little."""
    feed(LossWatch(ratio), losses)


def test_watch_restored_from_its_state_judges_the_same() -> None:
    """The lowest loss so far is part of a training's state."""
    first, second = LossWatch(3.0), LossWatch(3.0)
    feed(first, [1.0] * 30)
    second.restore(json.loads(json.dumps(first.state())))
    with pytest.raises(DivergedError):
        feed(second, [10.0] * 30, first=30)


def test_divergence_is_a_failure_for_good() -> None:
    """The next attempt would diverge in the same step."""
    failure = describe_failure(DivergedError("the loss is nan"))
    assert (failure.code, failure.retryable) == ("DIVERGED", False)
