"""What a caller sees when the server is full, slow or stopping."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from server.batching.queue import BatchLimits
from server.batching.scheduler import Answer, Scheduler
from server.batching.work import EntryBatch
from server.engines.compute import ComputeWorkers
from server.engines.engine import EngineOutput
from shared.errors import DeadlineError, InvalidInputError, QueueFullError, UnavailableError
from shared.text import TokenizedText


class GatedEngine:
    """Computes when the gate is open; counts what it computed. A real model cannot be made to wait."""

    name = "gated"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.computed: list[int] = []
        self.fail: Callable[[], None] = lambda: None

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        self.gate.wait(30)
        self.fail()
        self.computed += [row[0] for row in rows]
        return EngineOutput(np.array([[row[0]] for row in rows], np.float32), np.zeros((len(rows), 0), np.float32))


class Rig:
    """A scheduler with one compute worker on a gated engine."""

    def __init__(self) -> None:
        self.engine = GatedEngine()
        self.pool = ThreadPoolExecutor(1)
        self.scheduler = Scheduler(BatchLimits(max_rows=4, max_batch_tokens=400, max_queue_tokens=100), self.pool)
        self.deaths: list[BaseException] = []
        self.compute: ComputeWorkers[EntryBatch] = ComputeWorkers(
            1, self.scheduler.queue.take_blocking, self.scheduler.answer, self.deaths.append
        )
        self.compute.start()

    def ask(self, number: int, length: int = 10, deadline_s: float | None = None) -> asyncio.Task[Answer]:
        run = self.scheduler.run(self.engine, lambda _: [TokenizedText([number] * length, False)], ["text"], deadline_s)
        return asyncio.create_task(run)

    async def until_queued(self, num_tokens: int) -> None:
        for _ in range(6000):
            if self.scheduler.queue.num_tokens == num_tokens:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.scheduler.queue.num_tokens} tokens wait, not {num_tokens}")

    async def until_taken(self, num_batches: int) -> None:
        """Wait until the worker has taken so many batches."""
        for _ in range(6000):
            if self.scheduler.stats.batches == num_batches:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.scheduler.stats.batches} batches were taken, not {num_batches}")

    async def stop(self) -> None:
        self.engine.gate.set()
        self.scheduler.queue.close()
        await asyncio.to_thread(self.compute.join_blocking, 10)
        self.pool.shutdown()


async def blocked() -> tuple[Rig, asyncio.Task[Answer]]:
    """A rig whose worker is busy with request 1 and whose queue is empty."""
    rig = Rig()
    first = rig.ask(1)
    await rig.until_taken(1)
    return rig, first


async def test_request_over_full_queue_is_refused_and_the_queued_ones_are_answered() -> None:
    """Refused at once with a hint, not parked; nothing that was accepted is lost."""
    rig, first = await blocked()
    waiting = [rig.ask(2, 50), rig.ask(3, 50)]
    await rig.until_queued(100)
    with pytest.raises(QueueFullError) as caught:
        await rig.ask(4, 1)
    assert caught.value.retry_after_s > 0
    rig.engine.gate.set()
    assert [answer.rows[0].pooled_H[0] for answer in await asyncio.gather(first, *waiting)] == [1, 2, 3]
    await rig.stop()


async def test_queued_work_of_cancelled_and_expired_calls_is_never_computed() -> None:
    """Compute for nobody is what makes an overload last."""
    import time

    rig, first = await blocked()
    gone, late, live = rig.ask(2), rig.ask(3, deadline_s=time.monotonic() + 0.1), rig.ask(4)
    await rig.until_queued(30)
    gone.cancel()
    await asyncio.sleep(0.2)
    rig.engine.gate.set()
    with pytest.raises(DeadlineError):
        await late
    await asyncio.gather(first, live)
    assert gone.cancelled()
    assert rig.engine.computed == [1, 4]
    await rig.stop()


async def test_failing_batch_fails_its_own_requests_and_nothing_else() -> None:
    """One poisoned input must not end the worker."""
    rig, first = await blocked()

    def fail() -> None:
        raise ValueError("no such kernel")

    rig.engine.fail = fail
    rig.engine.gate.set()
    with pytest.raises(ValueError, match="no such kernel"):
        await first
    rig.engine.fail = lambda: None
    assert (await rig.ask(5)).rows[0].pooled_H[0] == 5
    assert rig.deaths == []
    await rig.stop()


async def test_drain_answers_what_is_queued_and_refuses_the_rest() -> None:
    """A rolling restart loses no accepted request."""
    rig, first = await blocked()
    queued = rig.ask(2)
    await rig.until_queued(10)
    rig.scheduler.queue.close()
    with pytest.raises(UnavailableError):
        await rig.ask(3)
    rig.engine.gate.set()
    assert [a.rows[0].pooled_H[0] for a in await asyncio.gather(first, queued)] == [1, 2]
    await rig.stop()


async def test_request_that_no_queue_could_hold_is_invalid_not_full() -> None:
    """ "Try again" would be a lie: it can never succeed."""
    rig = Rig()
    with pytest.raises(InvalidInputError, match="101 tokens, the whole queue holds 100"):
        await rig.ask(1, 101)
    await rig.stop()


async def test_text_that_waits_for_the_tokenizer_counts_as_queued() -> None:
    """An overload by long texts would otherwise pile up where no bound is; here the bound is 400 characters, and one
    text above it may come in alone."""
    rig = Rig()
    gate = threading.Event()

    def slow(_: Sequence[str]) -> list[TokenizedText]:
        gate.wait(30)
        return [TokenizedText([1], False)]

    text = "x" * 600
    first = asyncio.create_task(rig.scheduler.run(rig.engine, slow, [text], None))
    await asyncio.sleep(0.05)
    with pytest.raises(QueueFullError):
        await rig.scheduler.run(rig.engine, slow, [text], None)
    gate.set()
    rig.engine.gate.set()
    assert len((await first).rows) == 1
    await rig.stop()


async def test_compute_worker_that_dies_fails_its_batch_as_unavailable() -> None:
    """The callers of that batch would otherwise wait until their deadlines, or for ever."""
    rig, first = await blocked()

    def die() -> None:
        raise SystemExit("the device is gone")

    rig.engine.fail = die
    rig.engine.gate.set()
    with pytest.raises(UnavailableError, match="died"):
        await asyncio.wait_for(first, 60)
    for _ in range(1200):
        if rig.deaths:
            break
        await asyncio.sleep(0.05)
    assert [type(death) for death in rig.deaths] == [SystemExit]
    await rig.stop()


async def test_short_text_is_tokenized_without_a_thread_hop_and_long_text_with_one() -> None:
    """A hop costs more than tokenizing a sentence does; but long texts would hold up the loop."""
    rig = Rig()
    threads: list[str] = []

    def tokenize(texts: Sequence[str]) -> list[TokenizedText]:
        threads.append(threading.current_thread().name)
        return [TokenizedText([1] * 10, False) for _ in texts]

    def ask(text: str) -> asyncio.Task[Answer]:
        return asyncio.create_task(rig.scheduler.run(rig.engine, tokenize, [text], None))

    first = ask("short")
    await rig.until_taken(1)
    second = ask("x" * 501)
    await rig.until_queued(10)
    third = ask("short")
    await rig.until_queued(20)
    rig.engine.gate.set()
    await asyncio.gather(first, second, third)
    here = threading.current_thread().name
    assert [name == here for name in threads] == [True, False, True]
    await rig.stop()
