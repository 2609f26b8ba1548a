"""When what is thawed, in steps: the stages of shared.plan laid over the steps of one training.

A pure function of spec, layers and steps, so a resumed training is in the stage that it was in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.plan import stages
from shared.spec import FreezeSpec
from worker.training.steps import StepPlan


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """From step `first` on, before `end`, everything at depth `lowest` and above is trained. Later ones thaw more."""

    first: int
    end: int
    lowest: int


@dataclass(frozen=True, slots=True)
class Thawing:
    """The stages that are reached, in order, and the depths that the training ends too early for."""

    stages: list[TrainingStage]
    not_reached: list[int]

    def at(self, step: int) -> TrainingStage:
        """The stage that `step` is in."""
        return next(stage for stage in reversed(self.stages) if stage.first <= step)

    def thaw_of(self, depth: int) -> TrainingStage | None:
        """The first stage in which `depth` is trained; None if there is none."""
        return next((stage for stage in self.stages if stage.lowest <= depth), None)


def resolve_thawing(freeze: FreezeSpec, layers: int, plan: StepPlan) -> Thawing:
    """Lay the stages of `freeze` over the steps of `plan`."""
    reached: list[tuple[int, int]] = []
    not_reached: list[int] = []
    for stage in stages(freeze, layers):
        first = _first_step(stage.start, freeze, plan)
        if first is None:
            not_reached.append(stage.lowest)
        else:
            reached.append((first, stage.lowest))
    return Thawing(_spans(reached, plan.steps), not_reached)


def _first_step(start: int, freeze: FreezeSpec, plan: StepPlan) -> int | None:
    if freeze.gradual.by == "step":
        return start if start < plan.steps else None
    return plan.epoch_starts[start] if start < plan.epochs else None


def _spans(starts: Sequence[tuple[int, int]], steps: int) -> list[TrainingStage]:
    ends = [*(first for first, _ in starts[1:]), steps]
    return [TrainingStage(first, end, lowest) for (first, lowest), end in zip(starts, ends, strict=True)]
