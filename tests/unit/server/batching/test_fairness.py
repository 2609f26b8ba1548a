"""Whose turn it is: the order of finish under equal shares, and the age bound above it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from server.batching.work import Work
from tests.unit.server.batching.conftest import Bench

#: A batch takes so long here; the bound of the bench is ten of them.
BATCH_S = 0.01


def test_single_sentence_overtakes_a_request_of_hundreds(bench: Bench) -> None:
    """The small caller waits for the batches that run, not for 128 of them."""
    bench.put(*range(100, 612))
    for _ in range(3):
        bench.take()
    single = bench.put(5)
    first, second = bench.take_works(), bench.take_works()
    assert single in first + second


def test_single_sentences_of_one_length_share_a_batch_with_the_large_request(bench: Bench) -> None:
    """Rows of equal length are taken from each request in turn: the large one must not fill the batch."""
    large = bench.put(*[12] * 100)
    singles = [bench.put(12) for _ in range(3)]
    assert set(bench.take_works()) == {large, *singles}


def test_large_request_gets_its_share_among_singles_that_never_end(make_bench: Callable[..., Bench]) -> None:
    """Fair both ways: with one single always waiting, a large request gets every second batch or so."""
    bench = make_bench(max_age_s=1000.0)
    large = bench.put(*range(100, 140))
    single = bench.put(399)
    served: list[Work] = []
    while large.waiting:
        served += bench.take_works()
        if not single.waiting:
            single = bench.put(399)
    assert len(served) // 3 <= served.count(large) <= 2 * len(served) // 3


def test_requests_of_one_size_are_finished_one_after_the_other(make_bench: Callable[..., Bench]) -> None:
    """Side by side they would all be done at the end, which is too late for all of them when time is short."""
    bench = make_bench(max_rows=2)
    works = [bench.put(*[10] * 100) for _ in range(3)]
    ends: list[Work] = []
    for _ in range(150):
        bench.take()
        ends += [work for work in works if not work.waiting and work not in ends]
        assert sum(0 < work.num_waiting_tokens < work.num_tokens for work in works) <= 1
    assert ends == works


def test_batch_is_filled_from_the_next_requests_not_from_all(bench: Bench) -> None:
    """A batch that took the row of the best length from each of many would finish none of them."""
    works = [bench.put(*range(10, 42)) for _ in range(8)]
    for _ in range(8):
        bench.take()
    assert not works[0].waiting
    assert all(work.num_waiting_tokens == work.num_tokens for work in works[3:])


def test_first_comer_that_waited_over_the_bound_goes_first_once(make_bench: Callable[..., Bench]) -> None:
    """Then the others have their turn again: the bound is no licence to hold everybody up."""
    bench = make_bench(max_rows=1)
    large = bench.put(*[10] * 1000)
    singles = [bench.put(10) for _ in range(3)]
    bench.now_s += 0.2
    assert [bench.take_works() for _ in range(3)] == [[large], [singles[0]], [singles[1]]]
    bench.now_s += 0.2
    assert [bench.take_works() for _ in range(2)] == [[large], [singles[2]]]


def test_first_comer_never_waits_longer_than_the_bound_and_a_batch(bench: Bench) -> None:
    """Counted over a crowd: sentences of lengths that share no batch, more than can be computed, with large ones."""
    waited_s = most_s = 0.0
    oldest: Work | None = None
    for number in range(1000):
        if number < 200:
            bench.put(*[100 + 37 * number % 250] * (30 if number % 50 == 0 else 1))
            bench.put(100 + 91 * number % 250)
        if not bench.queue.num_tokens:
            break
        first = next(iter(bench.queue._line._arrived))
        waited_s = waited_s if first is oldest else 0.0
        oldest = first
        if first in bench.take_works():
            waited_s = 0.0
        else:
            waited_s += BATCH_S
        most_s = max(most_s, waited_s)
        bench.now_s += BATCH_S
    assert not bench.queue.num_tokens
    assert 0.0 < most_s <= 0.1 + BATCH_S


def test_wait_of_zero_serves_strictly_by_waiting_time(make_bench: Callable[..., Bench]) -> None:
    """Bound 0: first come, first served, a request at a time."""
    bench = make_bench(max_rows=1, max_age_s=0.0)
    works = [bench.put(10) for _ in range(5)]
    assert [bench.take_works() for _ in works] == [[work] for work in works]


def test_size_is_counted_in_tokens_not_in_sentences(make_bench: Callable[..., Bench]) -> None:
    """A caller with long sentences would otherwise go before one with short ones that is ten times cheaper."""
    bench = make_bench(max_rows=1, max_age_s=1000.0)
    long, short = bench.put(*[100] * 50), bench.put(*[10] * 60)
    for _ in range(60):
        assert bench.take_works() == [short]
    assert bench.take_works() == [long]


def test_single_sentences_keep_the_order_in_which_they_came(make_bench: Callable[..., Bench]) -> None:
    """By their own few tokens, long ones would wait for all the short ones that come after them."""
    bench = make_bench(max_rows=1, max_age_s=1000.0)
    works = [bench.put(length) for length in (300, 5, 200, 7, 100)]
    assert [bench.take_works() for _ in works] == [[work] for work in works]


def test_large_first_comer_is_served_again_within_the_bound(make_bench: Callable[..., Bench]) -> None:
    """By the order of finish alone it would wait for hundreds of the short singles that keep coming."""
    bench = make_bench(max_rows=1, max_age_s=0.1)
    large = bench.put(*[10] * 500)
    turns = []
    for number in range(100):
        bench.put(3)
        if bench.take_works() == [large]:
            turns.append(number)
        bench.now_s += BATCH_S
    assert len(turns) >= 9
    assert all(later - earlier <= 11 for earlier, later in pairwise(turns))


def test_request_that_cannot_be_done_in_time_is_not_begun(bench: Bench) -> None:
    """What would be computed of it is lost; another is answered with it."""
    learn(bench)
    doomed, other = bench.put(*[10] * 100, deadline_s=bench.now_s + 0.1), bench.put(*[10] * 200)
    assert bench.take_works() == [other]
    assert bench.expired == [doomed]
    assert bench.stats.evicted == {"deadline": 1}


def test_request_that_was_begun_is_not_given_up_before_its_deadline(bench: Bench) -> None:
    """The speed is an estimate, and a part of the answer is there."""
    learn(bench)
    begun = bench.put(*[10] * 40, deadline_s=bench.now_s + 0.11)
    bench.put(*[10] * 200)
    assert bench.take_works() == [begun]
    bench.now_s += 0.1
    assert bench.take_works() == [begun]
    bench.now_s += 0.02
    assert begun not in bench.take_works()
    assert bench.expired == [begun]


def test_request_alone_is_begun_whatever_the_speed_was(bench: Bench) -> None:
    """A server that was slow once would otherwise refuse large requests for ever, and never see that it is fast."""
    learn(bench)
    alone = bench.put(*[10] * 1000, deadline_s=bench.now_s + 0.1)
    assert bench.take_works() == [alone]


def learn(bench: Bench) -> None:
    """4 rows of 10 tokens every 10 ms: 4000 tokens a second."""
    for _ in range(40):
        bench.put(10)
    for _ in range(10):
        bench.queue.finished(bench.take())
        bench.now_s += BATCH_S
    assert bench.queue.tokens_per_s == pytest.approx(4000)
