"""A training that runs away: its loss rises far over what it was, without becoming infinite.

A loss or a gradient that is not finite is found where it is computed (worker.training.loop, .optimization).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import DivergedError

#: Weight of the past in the smoothed loss: some ten steps' memory, so one odd batch is no divergence.
SMOOTHING = 0.9
#: Steps before anything is judged: the smoothed loss has seen its memory twice.
FIRST_STEPS = 20
ADVICE = "lower optimizer.head_lr and layerwise_lr.base_lr, or raise optimizer.warmup"


class LossWatch:
    """Fails a training whose smoothed loss exceeds `max_ratio` times the lowest it had; 0 is never."""

    def __init__(self, max_ratio: float) -> None:
        self._max_ratio = max_ratio
        self._smoothed = 0.0
        self._lowest = float("inf")

    def add(self, step: int, loss: float, worst_task: str, rate: float) -> None:
        """`step` counts from 0, `rate` is the largest of the step.

        Raises:
            DivergedError: if the loss has risen over the bound.
        """
        self._smoothed = SMOOTHING * self._smoothed + (1 - SMOOTHING) * loss
        smoothed = self._smoothed / (1 - SMOOTHING ** (step + 1))
        if step < FIRST_STEPS:
            self._lowest = min(self._lowest, smoothed)
            return
        if self._max_ratio > 0 and smoothed > self._max_ratio * self._lowest:
            raise DivergedError(
                f"the loss rose to {smoothed:.4g} in step {step + 1}, {smoothed / self._lowest:.3g} times its lowest "
                f"value {self._lowest:.4g}; optimizer.max_loss_ratio allows {self._max_ratio:g} times. "
                f"Highest is that of task {worst_task}; the largest rate is {rate:.3g}; {ADVICE}"
            )
        self._lowest = min(self._lowest, smoothed)

    def state(self) -> dict[str, Any]:
        return {"smoothed": self._smoothed, "lowest": None if self._lowest == float("inf") else self._lowest}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._smoothed = state["smoothed"]
        self._lowest = float("inf") if state["lowest"] is None else state["lowest"]
