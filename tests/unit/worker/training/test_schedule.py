"""Rates over time."""

from __future__ import annotations

import numpy as np
import pytest

from worker.training.schedule import rate_factor, thaw_factor


def test_rate_factor_rises_to_one_and_falls_towards_zero() -> None:
    """Linear warm-up and linear decay (Devlin et al. 2019); no step has a rate of zero, so none is wasted."""
    factors = [rate_factor(step, 20, 0.25) for step in range(20)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] == 1.0
    assert factors[-1] == pytest.approx(1 / 15)
    assert np.allclose(np.diff(factors[5:]), -1 / 15)


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.0), (1, 0.99), (2, 0.5), (3, 0.99)])
def test_rate_factor_of_very_short_trainings_stays_between_zero_and_one(steps: int, warmup: float) -> None:
    """A handful of rows makes one step; a division by zero there would fail the smallest jobs."""
    assert all(0 < rate_factor(step, steps, warmup) <= 1 for step in range(steps))


def test_thaw_factor_rises_to_one_in_its_share_of_the_stage_and_stays_there() -> None:
    """Layers that were just thawed have no optimizer state; a full rate at once would throw them off."""
    factors = [thaw_factor(step, 40, 20, 0.25) for step in range(40, 60)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(factors[5:]) == {1.0}
    assert thaw_factor(500, 40, 20, 0.25) == 1.0


@pytest.mark.parametrize(("thawed_at", "warmup"), [(0, 0.5), (40, 0.0), (40, 0.01)])
def test_thaw_factor_without_a_thaw_or_a_warm_up_is_one(thawed_at: int, warmup: float) -> None:
    """What is trained from the start has the warm-up of all rates, not a second one."""
    assert thaw_factor(thawed_at, thawed_at, 20, warmup) == 1.0
