"""Whose turn it is: shares of the compute, and the age bound above them."""

from __future__ import annotations

from collections.abc import Callable

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


def test_large_requests_advance_side_by_side(make_bench: Callable[..., Bench]) -> None:
    """Neither finishes last by having come second."""
    bench = make_bench(max_rows=1)
    first, second = bench.put(*[10] * 50), bench.put(*[10] * 50)
    for _ in range(50):
        bench.take()
    assert 20 <= len(first.waiting[10]) <= 30
    assert 20 <= len(second.waiting[10]) <= 30


def test_over_age_goes_first_the_one_that_waited_longest_before_the_others(make_bench: Callable[..., Bench]) -> None:
    """The promise to a caller: the bound and two batches, and two more for each other one over the bound."""
    bench = make_bench(max_rows=1)
    large = bench.put(*[10] * 100)
    bench.take()
    # The large request was charged; a crowd of singles is ahead of it in virtual time for ever.
    old = [bench.put(10), bench.put(10)]
    bench.now_s += 0.2
    for _ in range(50):
        bench.put(10)
    assert [bench.take_works() for _ in range(3)] == [[large], [old[0]], [old[1]]]


def test_no_request_waits_longer_than_the_bound_and_two_batches_for_each_over_it(bench: Bench) -> None:
    """Counted over a crowd: sentences of lengths that share no batch, more than can be computed, with large ones."""
    waits: dict[Work, float] = {}
    most_over = 0
    for number in range(1000):
        if number < 200:
            bench.put(*[100 + 37 * number % 250] * (30 if number % 50 == 0 else 1))
            bench.put(100 + 91 * number % 250)
        if not bench.queue.num_tokens:
            break
        most_over = max(most_over, sum(bench.now_s - work.served_s >= 0.1 for work in bench.queue._line._line))
        for work in bench.take_works():
            waits.setdefault(work, bench.now_s - work.enqueued_s)
        bench.now_s += BATCH_S
    assert not bench.queue.num_tokens
    assert most_over > 0
    assert max(waits.values()) <= 0.1 + (1 + most_over) * 2 * BATCH_S


def test_wait_of_zero_serves_strictly_by_waiting_time(make_bench: Callable[..., Bench]) -> None:
    """Bound 0: first come, first served, a request at a time."""
    bench = make_bench(max_rows=1, max_age_s=0.0)
    works = [bench.put(10) for _ in range(5)]
    assert [bench.take_works() for _ in works] == [[work] for work in works]


def test_shares_are_of_tokens_not_of_sentences(make_bench: Callable[..., Bench]) -> None:
    """A caller with long sentences would otherwise take ten times the compute of one with short ones."""
    bench = make_bench(max_rows=1, max_age_s=1000.0)
    long, short = bench.put(*[100] * 50), bench.put(*[10] * 500)
    for _ in range(220):
        bench.take()
    long_tokens, short_tokens = 100 * (50 - len(long.waiting[100])), 10 * (500 - len(short.waiting[10]))
    assert long_tokens + short_tokens > 3000
    assert abs(long_tokens - short_tokens) <= 100


def test_request_that_had_its_share_is_served_again_within_the_bound(make_bench: Callable[..., Bench]) -> None:
    """By virtual time alone it would wait for some thirty of the short singles that keep coming."""
    bench = make_bench(max_rows=1, max_age_s=0.1)
    large = bench.put(*[10] * 50)
    for _ in range(8):
        bench.put(3)
    assert bench.take_works() == [large]
    num_batches = 0
    served: list[Work] = []
    while large not in served and num_batches < 100:
        bench.put(3)
        bench.now_s += BATCH_S
        served = bench.take_works()
        num_batches += 1
    assert 9 <= num_batches <= 12
