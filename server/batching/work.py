"""One request's sentences on their way through the queue, and the batch that some of them share.

A `Work` is created and finished on the event loop; in between, compute workers read it. Its flags are single
assignments, so they need no lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.engines.engine import Engine, Floats


@dataclass(frozen=True, slots=True)
class Row:
    """One sentence's answer: views of the batch's arrays."""

    pooled_H: Floats
    scores_C: Floats


@dataclass(slots=True, eq=False)
class Work:
    """All sentences of one request. `engine` also says which model: works of two engines never share a batch."""

    engine: Engine
    rows: Sequence[Sequence[int]]
    future: asyncio.Future[list[Row]]
    #: time.monotonic() at which the caller gives up; None: never.
    deadline_s: float | None
    enqueued_s: float = field(default_factory=time.monotonic)
    answers: list[Row | None] = field(init=False)
    num_open: int = field(init=False)
    #: Set on the loop when nobody waits any more: cancelled, failed or expired.
    abandoned: bool = False
    queue_s: float = 0.0
    compute_s: float = 0.0

    def __post_init__(self) -> None:
        self.answers = [None] * len(self.rows)
        self.num_open = len(self.rows)

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.rows))


@dataclass(slots=True, eq=False)
class Entry:
    """One sentence in the queue."""

    work: Work
    index: int
    length: int
    order: int
    taken: bool = False


@dataclass(slots=True, eq=False)
class EntryBatch:
    """Entries that are computed together."""

    engine: Engine
    entries: list[Entry]
    taken_s: float = field(default_factory=time.monotonic)

    @property
    def rows(self) -> Sequence[Sequence[int]]:
        return [entry.work.rows[entry.index] for entry in self.entries]
