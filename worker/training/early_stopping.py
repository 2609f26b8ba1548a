"""When a training stops, and which of its states was the best (Prechelt 1998, Early stopping - but when?).

Owns the curve of validations and the verdicts over it: numbers only, no model. Part of the resumable state.

    report["stopping"]   best_step, best_value, last_step, stopped_early, restored
    history["validation"][i]   step, epoch, value, figures {task: {figure: number}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.spec import StoppingMetric, StoppingSpec
from shared.spec.stopping import LOWER_IS_BETTER

Figures = Mapping[str, Mapping[str, float]]
#: Points that are kept of the curve; of more, every second one is dropped but for the best and the last.
POINTS = 300


class EarlyStopping:
    """Takes each validation once, in order."""

    def __init__(self, spec: StoppingSpec, tasks: Sequence[str]) -> None:
        self._spec = spec
        self.metrics = spec.metrics or tuple(StoppingMetric(task=task) for task in tasks)
        self.curve: list[dict[str, Any]] = []
        self.best_step = 0
        self.best_value = float("-inf")
        self._num_worse = 0

    @property
    def must_stop(self) -> bool:
        return 0 < self._spec.patience <= self._num_worse

    def judge(self, step: int, epoch: float, figures: Figures) -> bool:
        """Whether the state after `step` steps is the best so far."""
        value = self.value_of(figures)
        rounded = {task: {name: round(number, 6) for name, number in own.items()} for task, own in figures.items()}
        self.curve.append({"step": step, "epoch": round(epoch, 4), "value": value, "figures": rounded})
        is_best = value > self.best_value + (self._spec.min_delta if self.best_step else 0.0)
        if is_best:
            self.best_step, self.best_value, self._num_worse = step, value, 0
        else:
            self._num_worse += 1
        self._thin()
        return is_best

    def value_of(self, figures: Figures) -> float:
        """The weighted mean of the declared figures; those of which less is better count with a minus."""
        total = sum(metric.weight for metric in self.metrics)
        signed = (
            metric.weight * figures[metric.task][metric.metric] * (-1 if metric.metric in LOWER_IS_BETTER else 1)
            for metric in self.metrics
        )
        return sum(signed) / total

    def describe(self, last_step: int, steps: int, restored: bool) -> dict[str, Any]:
        """`steps`: how many there would have been. Patience may run out in the last of them: nothing is cut short."""
        return {
            "best_step": self.best_step,
            "best_value": self.best_value,
            "last_step": last_step,
            "stopped_early": last_step < steps,
            "restored": restored,
        }

    def state(self) -> dict[str, Any]:
        return {
            "curve": list(self.curve),
            "best_step": self.best_step,
            "best_value": self.best_value if self.best_step else None,
            "num_worse": self._num_worse,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.curve = list(state["curve"])
        self.best_step, self._num_worse = state["best_step"], state["num_worse"]
        self.best_value = state["best_value"] if self.best_step else float("-inf")

    def _thin(self) -> None:
        if len(self.curve) > POINTS:
            last = len(self.curve) - 1
            self.curve = [
                point
                for number, point in enumerate(self.curve)
                if number % 2 == 0 or number == last or point["step"] == self.best_step
            ]
