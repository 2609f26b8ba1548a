"""When training stops, and what was best."""

from __future__ import annotations

from typing import Any

import pytest

from shared.spec import StoppingSpec
from worker.training.early_stopping import POINTS, EarlyStopping


def judge_all(stopping: EarlyStopping, values: list[float]) -> list[bool]:
    """Validations after steps 10, 20, ... until it stops."""
    judged = []
    for number, value in enumerate(values, 1):
        judged.append(stopping.judge(10 * number, number, {"mood": {"macro_f1": value}}))
        if stopping.must_stop:
            break
    return judged


def stopping_of(**fields: Any) -> EarlyStopping:
    return EarlyStopping(StoppingSpec.model_validate(fields), ["mood"])


def test_training_that_gets_no_better_stops_after_its_patience() -> None:
    """Two bad validations in a row are borne, a third is not; a good one in between starts the count again."""
    stopping = stopping_of(patience=3)
    judged = judge_all(stopping, [0.5, 0.4, 0.4, 0.6, 0.5, 0.6, 0.5, 0.9])
    assert judged == [True, False, False, True, False, False, False]
    assert (stopping.best_step, stopping.best_value) == (40, 0.6)
    assert stopping.describe(70, 80, restored=True) == {
        "best_step": 40, "best_value": 0.6, "last_step": 70, "stopped_early": True, "restored": True,
    }  # fmt: skip


def test_patience_that_runs_out_in_the_last_step_is_no_early_stop() -> None:
    """`stopped early` makes a person look for steps that were saved; there are none."""
    stopping = stopping_of(patience=3)
    judge_all(stopping, [0.5, 0.4, 0.4, 0.4])
    assert stopping.must_stop
    assert [stopping.describe(40, steps, restored=True)["stopped_early"] for steps in (40, 50)] == [False, True]


def test_patience_of_zero_never_stops() -> None:
    """Only the best weights are wanted."""
    assert judge_all(stopping_of(patience=0), [0.5] * 9) == [True] + [False] * 8


def test_better_by_less_than_min_delta_is_not_better() -> None:
    """Noise in the fourth digit must not keep a training going; the first validation is always the best so far."""
    assert judge_all(stopping_of(patience=0, min_delta=0.1), [0.0, 0.1, 0.2]) == [True, False, True]


def test_value_is_the_weighted_mean_with_losses_counted_against_it() -> None:
    """Three quarters macro-F1 of one task, one quarter cross-entropy of another."""
    metrics = [
        {"task": "mood", "weight": 3.0},
        {"task": "topic", "metric": "cross_entropy", "weight": 1.0},
    ]
    stopping = EarlyStopping(StoppingSpec.model_validate({"metrics": metrics}), ["mood", "topic"])
    figures = {"mood": {"macro_f1": 0.8, "cross_entropy": 9.0}, "topic": {"macro_f1": 0.1, "cross_entropy": 0.4}}
    assert stopping.value_of(figures) == pytest.approx((3 * 0.8 - 0.4) / 4)


def test_stopping_restored_from_its_state_goes_on_in_the_same_way() -> None:
    """Patience that starts again after each interruption would never end."""
    whole, first = stopping_of(patience=3), stopping_of(patience=3)
    values = [0.5, 0.6, 0.4, 0.5, 0.55]
    judge_all(whole, values)
    for number, value in enumerate(values[:3], 1):
        first.judge(10 * number, number, {"mood": {"macro_f1": value}})
    second = stopping_of(patience=3)
    second.restore(first.state())
    for number, value in enumerate(values[3:], 4):
        second.judge(10 * number, number, {"mood": {"macro_f1": value}})
    assert second.must_stop
    assert second.state() == whole.state()


def test_curve_of_many_validations_stays_small_and_keeps_the_best() -> None:
    """A result is a record that many read; thousands of points would be in each of them."""
    stopping = stopping_of(patience=0)
    judge_all(stopping, [1.0 if number == 701 else number / 10_000 for number in range(5000)])
    assert len(stopping.curve) <= POINTS + 1
    steps = [point["step"] for point in stopping.curve]
    assert steps == sorted(steps)
    assert {10, 7020, 50_000} <= set(steps)
