"""The factors that rates are multiplied with over time. Pure functions of the step."""

from __future__ import annotations


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """What all rates are multiplied with in `step` (from 0): up to 1 in the first share `warmup`, then down to 0."""
    warmup_steps = round(steps * warmup)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return (steps - step) / (steps - warmup_steps)


def thaw_factor(step: int, thawed_at: int, stage_steps: int, warmup: float) -> float:
    """What the rates of layers thawed at `thawed_at` are multiplied with as well: up to 1 in a share of their stage.

    Their optimizer state is empty then, and its first steps are as large as the rate: a rate from zero keeps them from
    throwing off what was trained above.
    """
    warmup_steps = round(stage_steps * warmup)
    return min((step - thawed_at + 1) / warmup_steps, 1.0) if warmup_steps and thawed_at else 1.0
