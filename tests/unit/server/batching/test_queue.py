"""The queue: bounded, fair to the oldest, one engine a batch, nothing computed for nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from server.batching.queue import BatchQueue
from server.batching.work import Work
from server.engines.engine import EngineOutput
from shared.errors import QueueFullError, UnavailableError


class FakeEngine:
    name = "fake"

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        raise AssertionError("the queue computes nothing")


def work(lengths: Sequence[int], engine: Any, deadline_s: float | None = None) -> Work:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    return Work(engine, [[1] * length for length in lengths], future, deadline_s)


def queue(max_tokens: int = 1000, expired: list[Work] | None = None) -> BatchQueue:
    return BatchQueue(4, 400, max_tokens, (expired if expired is not None else []).append)


def test_put_over_bound_is_refused_whole_with_hint() -> None:
    """Refused, not parked; and a request never gets in by halves."""
    full = queue(max_tokens=100)
    full.put(work([50], FakeEngine()))
    with pytest.raises(QueueFullError, match="50 of 100") as caught:
        full.put(work([30, 30], FakeEngine()))
    assert caught.value.retry_after_s > 0
    assert full.num_tokens == 50


def test_take_holds_the_oldest_whatever_its_length() -> None:
    """A lone long sentence among a stream of short ones must not starve."""
    subject, engine = queue(), FakeEngine()
    oldest = work([200], engine)
    subject.put(oldest)
    subject.put(work([5] * 8, engine))
    batch = subject.take_blocking()
    assert batch is not None
    assert [entry.work for entry in batch.entries] == [oldest]


def test_take_never_mixes_engines() -> None:
    """Two engines are two models: an answer that mixed them would be of no version."""
    subject, old, new = queue(), FakeEngine(), FakeEngine()
    for engine in (old, new, old, new):
        subject.put(work([5], engine))
    batches = [subject.take_blocking(), subject.take_blocking()]
    assert [(b.engine, len(b.entries)) for b in batches if b] == [(old, 2), (new, 2)]


def test_take_drops_abandoned_and_expired_before_compute() -> None:
    """Nobody waits for them; the expired caller is told once."""
    expired: list[Work] = []
    subject, engine = queue(expired=expired), FakeEngine()
    gone, late, live = work([5], engine), work([6], engine, time.monotonic() - 1), work([7], engine)
    for item in (gone, late, live):
        subject.put(item)
    gone.abandoned = True
    batch = subject.take_blocking()
    assert batch is not None
    assert [entry.work for entry in batch.entries] == [live]
    assert expired == [late]
    assert subject.num_tokens == 0


def test_take_everything_returns_each_sentence_once() -> None:
    """The two orders, by length and by age, must agree about what is left."""
    subject, engine = queue(max_tokens=100_000), FakeEngine()
    lengths = [(7 * n) % 50 + 3 for n in range(300)]
    for length in lengths:
        subject.put(work([length], engine))
    subject.close()
    taken = []
    while (batch := subject.take_blocking()) is not None:
        taken += [entry.length for entry in batch.entries]
    assert sorted(taken) == sorted(lengths)
    assert subject.num_tokens == 0


def test_close_wakes_waiting_workers_and_refuses_new_work() -> None:
    """A drain must not hang on an empty queue."""
    subject = queue()
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(subject.take_blocking()))
    thread.start()
    subject.close()
    thread.join(5)
    assert results == [None]
    with pytest.raises(UnavailableError):
        subject.put(work([1], FakeEngine()))
