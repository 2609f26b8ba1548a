"""One request's sentences on their way through the queue, and the batch that some of them share.

A `Work` is created and finished on the event loop. While it waits it belongs to the queue, whose lock guards
`waiting` and the fields of the line; the answers belong to the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

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
    #: Its room was reserved (a stream's message): it is not refused for lack of it.
    is_reserved: bool = False
    num_tokens: int = field(init=False)
    #: Tokens of the rows that no batch has taken.
    num_waiting_tokens: int = field(init=False)
    #: Rows that no batch has taken, by their length.
    waiting: dict[int, list[int]] = field(init=False)
    enqueued_s: float = 0.0
    #: Its place in the line, see `FairLine`.
    finish: float = 0.0
    arrival: int = 0
    answers: list[Row | None] = field(init=False)
    num_open: int = field(init=False)
    queue_s: float = 0.0
    compute_s: float = 0.0

    def __post_init__(self) -> None:
        self.num_tokens = self.num_waiting_tokens = sum(map(len, self.rows))
        self.answers = [None] * len(self.rows)
        self.num_open = len(self.rows)
        self.waiting = {}
        for index, row in enumerate(self.rows):
            self.waiting.setdefault(len(row), []).append(index)

    def lengths(self) -> Iterator[int]:
        """Of each waiting row."""
        for length, indices in self.waiting.items():
            yield from repeat(length, len(indices))

    def take(self, length: int) -> int:
        """Give a waiting row of that length to a batch; its index."""
        indices = self.waiting[length]
        index = indices.pop()
        if not indices:
            del self.waiting[length]
        self.num_waiting_tokens -= length
        return index

    def is_expired(self, now_s: float) -> bool:
        return self.deadline_s is not None and self.deadline_s <= now_s


class Entry(NamedTuple):
    """One sentence in a batch."""

    work: Work
    row_index: int

    @property
    def ids(self) -> Sequence[int]:
        return self.work.rows[self.row_index]


@dataclass(slots=True, eq=False)
class EntryBatch:
    """Entries that are computed together; `rows` is what the engine gets, `positions` each entry's row among them."""

    engine: Engine
    entries: list[Entry]
    rows: list[Sequence[int]]
    positions: list[int]
    taken_s: float

    @classmethod
    def of(cls, engine: Engine, entries: list[Entry], is_deduplicated: bool, taken_s: float) -> EntryBatch:
        """`is_deduplicated`: sentences with the same token ids become one row."""
        if not is_deduplicated:
            return cls(engine, entries, [entry.ids for entry in entries], list(range(len(entries))), taken_s)
        places: dict[tuple[int, ...], int] = {}
        positions = [places.setdefault(tuple(entry.ids), len(places)) for entry in entries]
        return cls(engine, entries, list(places), positions, taken_s)

    @property
    def num_tokens(self) -> int:
        """Tokens of all entries, without padding; equal sentences count each."""
        return sum(len(entry.ids) for entry in self.entries)
