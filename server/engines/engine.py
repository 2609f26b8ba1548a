"""The engine interface: token ids in, sentence vectors and calibrated scores out.

Tensor shapes: B rows, H hidden size, C labels of all tasks one after the other (see `Columns`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """One batch: pooled_BH is not normalised; scores_BC are probabilities, of a single-label task they add up to 1."""

    pooled_BH: Floats
    scores_BC: Floats


class Engine(Protocol):
    """A model ready to compute. Called by several compute threads at once."""

    #: `torch-float32`, ...: the key of its probe tolerance.
    name: str

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        """Compute one batch of token ids; rows may differ in length."""
        ...


class Head(Protocol):
    """What a task says of its columns."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def is_multi_label(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each task's labels stand in scores_BC, and which columns are of multi-label tasks."""

    starts: tuple[int, ...]
    width: int
    multi_label: tuple[int, ...] = ()

    @classmethod
    def of(cls, tasks: Sequence[Head]) -> Columns:
        starts: list[int] = np.cumsum([0, *(len(task.labels) for task in tasks)]).tolist()
        multi_label = [
            column
            for start, task in zip(starts[:-1], tasks, strict=True)
            if task.is_multi_label
            for column in range(start, start + len(task.labels))
        ]
        return cls(tuple(starts[:-1]), starts[-1], tuple(multi_label))

    def scores(self, logits_BC: Floats) -> Floats:
        """Softmax within each single-label task's columns, all tasks in one pass; a sigmoid for the other columns."""
        if not self.starts:
            return logits_BC
        scores_BC = self._softmax(logits_BC)
        if self.multi_label:
            columns = list(self.multi_label)
            scores_BC[:, columns] = 0.5 + 0.5 * np.tanh(0.5 * logits_BC[:, columns])  # never overflows
        return scores_BC

    def _softmax(self, logits_BC: Floats) -> Floats:
        widths = np.diff([*self.starts, self.width])
        peaks_BC = np.repeat(np.maximum.reduceat(logits_BC, self.starts, axis=1), widths, axis=1)
        exponentials_BC = np.exp(logits_BC - peaks_BC)
        sums_BC = np.repeat(np.add.reduceat(exponentials_BC, self.starts, axis=1), widths, axis=1)
        scores_BC: Floats = exponentials_BC / sums_BC
        return scores_BC
