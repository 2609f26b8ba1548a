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


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each task's labels begin in scores_BC."""

    starts: tuple[int, ...]

    @classmethod
    def of(cls, tasks: Sequence[Head]) -> Columns:
        starts: list[int] = np.cumsum([0, *(len(task.labels) for task in tasks)]).tolist()
        return cls(tuple(starts[:-1]))
