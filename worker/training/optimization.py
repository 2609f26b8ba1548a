"""From gradients to new weights: fused AdamW over the rate groups, rates of the step, clipping.

Owns the optimizer and its state. A group that is frozen in a stage has no gradients; the optimizer passes over it.
"""

from __future__ import annotations

import math

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from shared.errors import DivergedError
from shared.spec import JobSpec
from worker.training.divergence import ADVICE
from worker.training.rates import RateGroup
from worker.training.schedule import rate_factor, thaw_factor
from worker.training.thawing import Thawing


class Optimization:
    """`optimizer` is torch's: its state_dict is all the state there is."""

    def __init__(self, groups: list[RateGroup], spec: JobSpec, steps: int, thawing: Thawing) -> None:
        self._groups = groups
        self._spec = spec
        self._steps = steps
        self._thawing = thawing
        self._parameters = [parameter for group in groups for parameter in group.parameters.values()]
        self.optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters.values()), "weight_decay": group.weight_decay} for group in groups],
            fused=True,
        )

    def update(self, step: int) -> None:
        """Change the weights by the gradients that they hold, and drop these.

        Raises:
            DivergedError: if a gradient is not finite.
        """
        for settings, rate in zip(self.optimizer.param_groups, self.rates(step), strict=True):
            settings["lr"] = rate
        self._clip(step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def rates(self, step: int) -> list[float]:
        """The rate of each group in `step`."""
        factor = self._schedule_factor(step)
        return [group.lr * factor * self._thaw_factor(group, step) for group in self._groups]

    def peak_rates(self, steps: int) -> list[float]:
        """The highest rate that each group has in the first `steps` steps; 0 for one that is not thawed in them."""
        factors: dict[int, float] = {}
        peaks = []
        for group in self._groups:
            stage = self._thawing.thaw_of(group.depth)
            first = steps if stage is None else stage.first
            if first not in factors:
                own = (self._schedule_factor(step) * self._thaw_factor(group, step) for step in range(first, steps))
                factors[first] = max(own, default=0.0)
            peaks.append(group.lr * factors[first])
        return peaks

    def _schedule_factor(self, step: int) -> float:
        return rate_factor(step, self._steps, self._spec.optimizer.warmup)

    def _thaw_factor(self, group: RateGroup, step: int) -> float:
        stage = self._thawing.thaw_of(group.depth)
        if stage is None:
            return 0.0
        return thaw_factor(step, stage.first, stage.end - stage.first, self._spec.freeze.gradual.warmup)

    def _clip(self, step: int) -> None:
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = get_total_norm(gradients)
        if not math.isfinite(norm.item()):
            raise DivergedError(
                f"the gradient's norm is {norm.item()} in step {step + 1} of {self._steps}{self._culprit()}; "
                f"the largest rate is {max(self.rates(step)):.3g}; {ADVICE}"
            )
        if 0 < self._spec.optimizer.clip < norm.item():
            clip_grads_with_norm_(self._parameters, self._spec.optimizer.clip, norm)

    def _culprit(self) -> str:
        """` (first in GROUP)` of the groups whose gradient is not finite."""
        for group in self._groups:
            gradients = [parameter.grad for parameter in group.parameters.values() if parameter.grad is not None]
            if gradients and not math.isfinite(get_total_norm(gradients).item()):
                return f" (first in {group.name})"
        return ""
