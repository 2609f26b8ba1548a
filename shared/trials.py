"""What is told of a search while it runs: the finished trials, and the one that runs.

Owns the shape that trainer, worker and server share on its way to a watching client.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Trial(BaseModel):
    """A finished trial as a row of a table."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    #: Path of a field -> its value, as text.
    parameters: dict[str, str]
    state: Literal["complete", "pruned", "failed"]
    #: What the search maximises; None where the trial failed.
    value: float | None = None
    seconds: float = 0.0
    #: Why it failed.
    error: str = ""


class SearchProgress(BaseModel):
    """Where a search stands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The trial that runs, from 1; after the last one their number stays.
    trial: int
    trials: int
    #: The best value yet.
    best: float | None = None
    done: tuple[Trial, ...] = ()
