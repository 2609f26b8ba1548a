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
    """One batch: pooled_BH is not normalised; scores_BC are probabilities, summing to 1 within each task."""

    pooled_BH: Floats
    scores_BC: Floats


class Engine(Protocol):
    """A model ready to compute. Called by several compute threads at once."""

    #: `torch-float32`, ...: the key of its probe tolerance.
    name: str

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        """Compute one batch of token ids; rows may differ in length."""
        ...


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each task's labels stand in scores_BC."""

    starts: tuple[int, ...]
    width: int

    @classmethod
    def of(cls, widths: Sequence[int]) -> Columns:
        starts = np.cumsum([0, *widths]).tolist()
        return cls(tuple(starts[:-1]), starts[-1])

    def softmax(self, logits_BC: Floats) -> Floats:
        """Softmax within each task's columns, all tasks in one pass."""
        if not self.starts:
            return logits_BC
        widths = np.diff([*self.starts, self.width])
        peaks_BC = np.repeat(np.maximum.reduceat(logits_BC, self.starts, axis=1), widths, axis=1)
        exponentials_BC = np.exp(logits_BC - peaks_BC)
        sums_BC = np.repeat(np.add.reduceat(exponentials_BC, self.starts, axis=1), widths, axis=1)
        scores_BC: Floats = exponentials_BC / sums_BC
        return scores_BC
