"""Works and a queue for tests that compute nothing, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from server.batching.queue import BatchLimits, BatchQueue
from server.batching.stats import BatchingStats
from server.batching.work import EntryBatch, Work
from server.engines.engine import EngineOutput


class FakeEngine:
    """Says which model a work is for."""

    name = "fake"

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        raise AssertionError("the queue computes nothing")


@dataclass
class Bench:
    """A queue, its counts, and its time."""

    now_s: float = 1000.0
    engine: FakeEngine = field(default_factory=FakeEngine)
    expired: list[Work] = field(default_factory=list)
    stats: BatchingStats = field(default_factory=BatchingStats)
    queue: BatchQueue = field(init=False)

    def work(
        self,
        lengths: Sequence[int],
        engine: FakeEngine | None = None,
        deadline_s: float | None = None,
        is_reserved: bool = False,
        first_id: int = 1,
    ) -> Work:
        """Rows of these lengths; each has token ids of its own."""
        loop = asyncio.new_event_loop()
        future = loop.create_future()
        loop.close()
        rows = [[first_id + index] * length for index, length in enumerate(lengths)]
        return Work(engine or self.engine, rows, future, deadline_s, is_reserved)

    def put(self, *lengths: int, deadline_s: float | None = None) -> Work:
        """Queue one request."""
        work = self.work(lengths, deadline_s=deadline_s)
        self.queue.put(work)
        return work

    def take(self) -> EntryBatch:
        batch = self.queue.take_blocking()
        assert batch is not None
        return batch

    def take_works(self) -> list[Work]:
        """The requests that share the next batch, each once."""
        return list(dict.fromkeys(entry.work for entry in self.take().entries))


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """A bench whose queue makes batches of at most 4 rows or 400 tokens."""

    def make(
        max_rows: int = 4, max_queue_tokens: int = 1_000_000, max_age_s: float = 0.1, is_deduplicated: bool = False
    ) -> Bench:
        bench = Bench()
        limits = BatchLimits(
            max_rows=max_rows,
            max_batch_tokens=400,
            max_queue_tokens=max_queue_tokens,
            max_age_s=max_age_s,
            is_deduplicated=is_deduplicated,
        )
        bench.queue = BatchQueue(limits, bench.expired.append, bench.stats, lambda: bench.now_s)
        return bench

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
