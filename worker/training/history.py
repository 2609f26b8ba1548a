"""The curves of one training for its report: bounded however long it was, part of the resumable state.

    history["step"][i]         last step of point i, counted from 1
    history["loss"][task][i]   mean training loss of the task's rows over the steps of point i, in nats; null: no rows
    history["rate_factor"][i]  what all rates were multiplied with in that step
    history["validation"]      see worker.training.early_stopping

When what was thawed is in the report's `stages`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Points of a curve, at most: more than a page has pixels for would be lost.
POINTS = 300


class History:
    """Takes each step once, in order."""

    def __init__(self, tasks: Sequence[str], steps: int, rate_factor: Callable[[int], float]) -> None:
        """`rate_factor` of a step counted from 0."""
        self._width = max(1, -(-steps // POINTS))
        self._rate_factor = rate_factor
        self._last_steps: list[int] = []
        self._sums: dict[str, list[float]] = {task: [] for task in tasks}
        self._rows: dict[str, list[int]] = {task: [] for task in tasks}

    def add(self, step: int, losses: Mapping[str, tuple[float, int]]) -> None:
        """`step` counts from 0; `losses` has the sum of each task's losses, and of how many rows."""
        if step // self._width >= len(self._last_steps):
            self._last_steps.append(0)
            for task in self._sums:
                self._sums[task].append(0.0)
                self._rows[task].append(0)
        self._last_steps[-1] = step + 1
        for task, (loss_sum, rows) in losses.items():
            self._sums[task][-1] += loss_sum
            self._rows[task][-1] += rows

    def describe(self) -> dict[str, Any]:
        return {
            "step": list(self._last_steps),
            "loss": {
                task: [_mean(*point) for point in zip(sums, self._rows[task], strict=True)]
                for task, sums in self._sums.items()
            },
            "rate_factor": [round(self._rate_factor(step - 1), 6) for step in self._last_steps],
        }

    def state(self) -> dict[str, Any]:
        return {"last_steps": list(self._last_steps), "sums": self._copy(self._sums), "rows": self._copy(self._rows)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._last_steps = list(state["last_steps"])
        self._sums, self._rows = self._copy(state["sums"]), self._copy(state["rows"])

    @staticmethod
    def _copy(curves: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        return {task: list(values) for task, values in curves.items()}


def _mean(loss_sum: float, rows: int) -> float | None:
    return round(loss_sum / rows, 6) if rows else None
