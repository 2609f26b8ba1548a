"""Which calls are refused before they are read: those that would not be answered in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.batching.admission import Admission
from server.batching.queue import BatchLimits
from server.batching.scheduler import Scheduler
from shared.errors import QueueFullError
from tests.unit.server.batching.conftest import Bench


class Desk:
    """An admission in front of a bench's queue, which is as fast as the bench's clock says."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        pool = ThreadPoolExecutor(1)
        limits = BatchLimits(max_rows=4, max_batch_tokens=400, max_queue_tokens=1)
        self.scheduler = Scheduler(limits, pool)
        self.scheduler.queue, self.scheduler.stats = bench.queue, bench.stats
        self.admission = Admission(self.scheduler)

    def learn(self) -> None:
        """4 rows of 10 tokens every 10 ms: 4000 tokens a second."""
        for _ in range(40):
            self.bench.put(10)
        for _ in range(10):
            self.bench.queue.finished(self.bench.take())
            self.bench.now_s += 0.01
        assert self.bench.queue.tokens_per_s == pytest.approx(4000)


@pytest.fixture
async def desk(bench: Bench) -> Desk:
    return Desk(bench)


async def test_deadline_that_the_queue_would_use_up_is_refused_with_the_wait_as_hint(desk: Desk) -> None:
    """4000 tokens wait, one second: a caller with 1.2 s is told now, one with 1.4 s comes in."""
    desk.learn()
    for _ in range(400):
        desk.bench.put(10)
    desk.admission.check(40, 1.4)
    desk.admission.check(40, None)
    with pytest.raises(QueueFullError, match=r"deadline in 1\.20 s") as caught:
        desk.admission.check(40, 1.2)
    assert caught.value.retry_after_s == pytest.approx(1.0, abs=0.05)
    assert desk.bench.stats.refused == {"deadline": 1}


async def test_empty_queue_refuses_nobody_for_the_deadline(desk: Desk) -> None:
    """However slow the server seemed: nothing waits, so nothing is known that speaks against it."""
    desk.learn()
    desk.admission.check(40, 0.0001)


async def test_unknown_speed_refuses_nobody_for_the_deadline(desk: Desk) -> None:
    """A server that has just started must not guess."""
    desk.bench.put(*[10] * 1000)
    desk.admission.check(40, 0.0001)


async def test_large_requests_in_the_queue_do_not_keep_a_small_call_out(desk: Desk) -> None:
    """They get no more than a small one each before it, not all of their 10 s."""
    desk.learn()
    for _ in range(4):
        desk.bench.put(*[10] * 1000)
    desk.admission.check(40, 1.0)
    desk.bench.put(10, deadline_s=desk.bench.now_s + 1.0)


async def test_request_that_would_take_too_long_itself_is_refused_when_its_tokens_are_known(desk: Desk) -> None:
    """Its bytes say little about them: 10 000 tokens behind as many take 5 s, not the 4 s that it has."""
    desk.learn()
    desk.bench.put(*[10] * 1000)
    desk.admission.check(40_000, 4.0)
    with pytest.raises(QueueFullError, match=r"takes 5\.00 s"):
        desk.bench.put(*[10] * 1000, deadline_s=desk.bench.now_s + 4.0)
    desk.bench.put(*[10] * 1000, deadline_s=desk.bench.now_s + 7.0)


async def test_what_computes_now_counts(desk: Desk) -> None:
    """A worker that has just taken a batch is not free for the next."""
    desk.learn()
    desk.bench.put(*[10] * 4)
    desk.bench.take()
    desk.bench.put(10)
    desk.admission.check(40, 0.2)
    with pytest.raises(QueueFullError):
        desk.admission.check(40, 0.01)


async def test_full_queue_is_refused_before_reading(make_bench: Callable[..., Bench]) -> None:
    """The size alone decides, with the same status whatever the call brings."""
    desk = Desk(make_bench(max_queue_tokens=1000))
    desk.bench.put(*[10] * 98)
    desk.admission.check(40, None)
    for num_bytes in (100, 1_000_000):
        with pytest.raises(QueueFullError, match="full"):
            desk.admission.check(num_bytes, None)
    assert desk.bench.stats.refused == {"queue_full": 2}


async def test_large_call_on_an_empty_queue_is_not_judged_by_its_bytes(make_bench: Callable[..., Bench]) -> None:
    """Long sentences are cut at the model's window: bytes say little about tokens, and nobody else waits."""
    desk = Desk(make_bench(max_queue_tokens=1000))
    desk.admission.check(1_000_000, None)
    await asyncio.sleep(0)
