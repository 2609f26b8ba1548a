"""The queue: bounded, one engine a batch, nothing computed for nobody, everything computed once."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from server.batching.work import Work
from shared.errors import InvalidInputError, QueueFullError, UnavailableError
from tests.unit.server.batching.conftest import Bench, FakeEngine


def test_put_over_bound_is_refused_whole_with_hint(make_bench: Callable[..., Bench]) -> None:
    """Refused, not parked; and a request never gets in by halves."""
    full = make_bench(max_queue_tokens=100)
    full.put(50)
    with pytest.raises(QueueFullError, match="50 of 100") as caught:
        full.put(30, 30)
    assert caught.value.retry_after_s > 0
    assert full.queue.num_tokens == 50
    assert full.stats.refused == {"queue_full": 1}


def test_put_that_no_queue_could_hold_is_invalid(make_bench: Callable[..., Bench]) -> None:
    """ "Try again" would be a lie."""
    with pytest.raises(InvalidInputError, match="101 tokens, the whole queue holds 100"):
        make_bench(max_queue_tokens=100).put(51, 50)


def test_reserved_room_is_not_there_for_others_and_is_always_there_for_its_owner(
    make_bench: Callable[..., Bench],
) -> None:
    """Streams wait for room before they send; what they were promised must not be taken, nor refused to them."""
    bench = make_bench(max_queue_tokens=100)
    bench.queue.reserve(30)
    bench.put(70)
    with pytest.raises(QueueFullError):
        bench.put(1)
    bench.queue.put(bench.work([30], is_reserved=True))
    assert bench.queue.num_tokens == 100
    bench.queue.reserve(-30)
    bench.put(30)


def test_take_holds_whose_turn_it_is_whatever_its_length(bench: Bench) -> None:
    """A lone long sentence among a stream of short ones must not starve."""
    long = bench.put(200)
    bench.put(*[5] * 8)
    assert bench.take_works() == [long]


def test_take_never_mixes_engines(bench: Bench) -> None:
    """Two engines are two models: an answer that mixed them would be of no version."""
    old, new = FakeEngine(), FakeEngine()
    for engine in (old, new, old, new):
        bench.queue.put(bench.work([5], engine))
    batches = [bench.take(), bench.take()]
    assert [(batch.engine, len(batch.entries)) for batch in batches] == [(old, 2), (new, 2)]


def test_take_of_last_row_lets_go_of_the_engine(bench: Bench) -> None:
    """A queue that kept anything of a replaced model would keep the model in memory."""
    engine = FakeEngine()
    bench.queue.put(bench.work([5, 6], engine))
    bench.take()
    kept = weakref.ref(engine)
    del engine
    gc.collect()
    assert kept() is None


def test_discard_frees_the_room_at_once(bench: Bench) -> None:
    """A caller that hangs up makes room for another now, not when a worker comes by."""
    gone, live = bench.put(5, 7, 7), bench.put(7)
    bench.queue.discard(gone, "cancelled")
    assert bench.queue.num_tokens == 7
    assert bench.take_works() == [live]
    bench.queue.discard(gone, "cancelled")
    bench.queue.discard(live, "cancelled")
    assert bench.stats.evicted == {"cancelled": 1}


def test_take_drops_expired_before_compute(bench: Bench) -> None:
    """The deadline counts even if nobody else noticed it: the caller is told once, and no row of it is computed."""
    late, live = bench.put(6, 9, 9, deadline_s=bench.now_s + 1), bench.put(7)
    bench.now_s += 2
    assert bench.take_works() == [live]
    assert bench.expired == [late]
    assert bench.queue.num_tokens == 0
    assert bench.stats.evicted == {"deadline": 1}


async def test_large_request_wakes_every_compute_worker_that_it_has_work_for(bench: Bench) -> None:
    """With one woken, the others would sleep beside a full queue until the next request came."""
    takes = [asyncio.create_task(asyncio.to_thread(bench.take)) for _ in range(2)]
    while len(bench.queue._changed._waiters) < 2:  # type: ignore[attr-defined]  # noqa: ASYNC110 - a thread waits
        await asyncio.sleep(0.01)
    bench.put(*[7] * 8)
    try:
        batches = await asyncio.wait_for(asyncio.gather(*takes), 60)
    finally:
        bench.queue.close()
    assert [len(batch.entries) for batch in batches] == [4, 4]


def test_equal_sentences_of_a_batch_are_computed_once(make_bench: Callable[..., Bench]) -> None:
    """Real traffic repeats itself; each caller still gets the answer of its own sentence."""
    bench = make_bench(is_deduplicated=True)
    for first_id in (7, 8, 7):
        bench.queue.put(bench.work([5], first_id=first_id))
    batch = bench.take()
    assert [list(row) for row in batch.rows] == [[7] * 5, [8] * 5]
    for entry, position in zip(batch.entries, batch.positions, strict=True):
        assert list(batch.rows[position]) == list(entry.ids)


def test_equal_sentences_are_computed_each_where_it_is_switched_off(bench: Bench) -> None:
    """A benchmark of the engine must not measure the absence of work."""
    for _ in range(3):
        bench.queue.put(bench.work([5], first_id=7))
    assert len(bench.take().rows) == 3


@pytest.mark.parametrize("seed", range(10))
def test_random_traffic_returns_each_sentence_once_and_forgets_the_discarded(
    make_bench: Callable[..., Bench], seed: int
) -> None:
    """The orders by turn and by length must agree about what is left, whatever comes between."""
    rng = random.Random(seed)
    bench = make_bench()
    engines = [FakeEngine(), FakeEngine()]
    works: list[Work] = []
    taken: Counter[tuple[Work, int]] = Counter()
    discarded: set[Work] = set()
    for _ in range(300):
        bench.now_s += rng.random() * 0.05
        action = rng.random()
        if action < 0.5:
            works.append(bench.work([rng.randint(3, 50) for _ in range(rng.randint(1, 9))], rng.choice(engines)))
            bench.queue.put(works[-1])
        elif action < 0.6 and works:
            gone = rng.choice(works)
            if gone.waiting:
                discarded.add(gone)
            bench.queue.discard(gone, "cancelled")
        elif bench.queue.num_tokens:
            batch = bench.take()
            assert not discarded & {entry.work for entry in batch.entries}
            assert {entry.work.engine for entry in batch.entries} == {batch.engine}
            taken.update((entry.work, entry.row_index) for entry in batch.entries)
    bench.queue.close()
    while (last := bench.queue.take_blocking()) is not None:
        taken.update((entry.work, entry.row_index) for entry in last.entries)
    assert set(taken.values()) == {1}
    wanted = {(work, index) for work in works if work not in discarded for index in range(len(work.rows))}
    assert wanted <= set(taken)
    assert (bench.queue.num_tokens, bench.queue.num_requests) == (0, 0)
    assert bench.queue.num_free_tokens == bench.queue.limits.max_queue_tokens


def test_close_wakes_waiting_workers_and_refuses_new_work(bench: Bench) -> None:
    """A drain must not hang on an empty queue."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(bench.queue.take_blocking()))
    thread.start()
    bench.queue.close()
    thread.join(60)
    assert results == [None]
    with pytest.raises(UnavailableError):
        bench.put(1)


def test_speed_is_that_of_a_busy_server(bench: Bench) -> None:
    """Hints and admission are made of it: 4 rows of 10 tokens every 10 ms are 4000 tokens a second."""
    for _ in range(100):
        bench.put(10)
    assert bench.queue.tokens_per_s == 0
    for _ in range(20):
        bench.take()
        bench.now_s += 0.01
    assert bench.queue.tokens_per_s == pytest.approx(4000)
    assert bench.queue.drain_time_s() == pytest.approx(20 * 10 / 4000)
