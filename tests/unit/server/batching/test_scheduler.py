"""A request's way through the scheduler: where it is tokenized, and what is counted of its batch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from server.batching.queue import BatchLimits
from server.batching.scheduler import SHORT_CHARACTERS, Scheduler
from server.engines.engine import EngineOutput
from shared.text import TokenizedText
from tests.unit.server.batching.conftest import FakeEngine

LIMITS = BatchLimits(max_rows=1000, max_batch_tokens=10_000, max_queue_tokens=10_000)


def output(num_rows: int) -> EngineOutput:
    return EngineOutput(np.zeros((num_rows, 1), np.float32), np.zeros((num_rows, 0), np.float32))


@pytest.mark.parametrize(
    ("sentences", "is_on_loop"),
    [
        (["a" * (SHORT_CHARACTERS - 10)], True),
        (["a" * (SHORT_CHARACTERS + 1)], False),
        (["a"] * 10, True),
        (["a"] * (SHORT_CHARACTERS // 2), False),
    ],
)
async def test_much_text_or_many_sentences_are_tokenized_off_the_loop(sentences: list[str], is_on_loop: bool) -> None:
    """Whatever holds the loop delays all callers and the health answers."""
    threads: list[int] = []

    def tokenize(sentences: Sequence[str]) -> list[TokenizedText]:
        threads.append(threading.get_ident())
        return [TokenizedText([1], False) for _ in sentences]

    with ThreadPoolExecutor(1) as pool:
        scheduler = Scheduler(LIMITS, pool)
        call = asyncio.create_task(scheduler.run(FakeEngine(), tokenize, sentences, None))
        batch = await asyncio.to_thread(scheduler.queue.take_blocking)
        assert batch is not None
        scheduler.answer(batch, output(len(batch.rows)), time.monotonic())
        await call
    assert [thread == threading.get_ident() for thread in threads] == [is_on_loop]


@pytest.mark.parametrize(("began_after_s", "num_late"), [(-1.0, 0), (1.0, 2)])
async def test_sentences_whose_engine_began_after_their_deadline_are_counted(
    began_after_s: float, num_late: int
) -> None:
    """The proof that nothing is computed for nobody looks at the engine's clock, not at that of the eviction."""
    deadline_s = time.monotonic() + 600
    with ThreadPoolExecutor(1) as pool:
        scheduler = Scheduler(LIMITS, pool)
        texts = [TokenizedText([1, number], False) for number in range(2)]
        calls = [
            asyncio.create_task(scheduler.run(FakeEngine(), lambda _: texts, ["a", "b"], at_s))
            for at_s in (deadline_s, None)
        ]
        batch = await asyncio.to_thread(scheduler.queue.take_blocking)
        assert batch is not None
        scheduler.answer(batch, output(len(batch.rows)), deadline_s + began_after_s)
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert scheduler.stats.executed_after_deadline == num_late
        for call in calls:
            call.cancel()
