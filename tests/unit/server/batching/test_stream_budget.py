"""The streams' part of the queue: never more than it, first come first served, and nothing is lost with a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.batching.stream_budget import StreamBudget
from tests.unit.server.batching.conftest import Bench


def start(budget: StreamBudget, num_tokens: int) -> asyncio.Task[int]:
    return asyncio.create_task(budget.acquire(num_tokens))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_streams_get_a_quarter_and_wait_for_more(make_bench: Callable[..., Bench]) -> None:
    """The queue keeps three quarters for unary calls, however many streams push."""
    queue = make_bench(max_queue_tokens=400).queue
    budget = StreamBudget(queue)
    first, second, third = start(budget, 60), start(budget, 60), start(budget, 20)
    await settle()
    assert (first.done(), second.done(), third.done()) == (True, False, False)
    assert queue.num_free_tokens == 340
    budget.release(await first)
    await settle()
    assert (second.done(), third.done()) == (True, True)
    assert queue.num_free_tokens == 320


async def test_message_larger_than_the_budget_goes_alone(make_bench: Callable[..., Bench]) -> None:
    """It can be answered, so it must not wait for ever."""
    budget = StreamBudget(make_bench(max_queue_tokens=400).queue)
    small, large, next_one = start(budget, 10), start(budget, 1000), start(budget, 10)
    await settle()
    assert (small.done(), large.done()) == (True, False)
    budget.release(await small)
    await settle()
    assert (large.done(), next_one.done()) == (True, False)
    budget.release(await large)
    await settle()
    assert next_one.done()
    budget.release(await next_one)
    assert budget.num_tokens == 0


async def test_release_in_the_turn_of_a_cancellation_passes_over_the_cancelled(
    make_bench: Callable[..., Bench],
) -> None:
    """The stream's task has not run yet when the room comes: it must neither take it nor keep others from it."""
    queue = make_bench(max_queue_tokens=400).queue
    budget = StreamBudget(queue)
    holder, gone, last = (start(budget, 100) for _ in range(3))
    await settle()
    gone.cancel()
    budget.release(await holder)
    await settle()
    assert (gone.cancelled(), last.done()) == (True, True)
    budget.release(await last)
    assert budget.num_tokens == 0
    assert queue.num_free_tokens == 400


async def test_cancelled_stream_gives_its_place_and_its_room_to_the_next(make_bench: Callable[..., Bench]) -> None:
    """Also when the room was granted in the very turn in which the stream ended."""
    queue = make_bench(max_queue_tokens=400).queue
    budget = StreamBudget(queue)
    holder, gone, granted, last = (start(budget, 100) for _ in range(4))
    await settle()
    gone.cancel()
    await settle()
    budget.release(await holder)
    granted.cancel()
    await settle()
    assert (gone.cancelled(), granted.cancelled(), last.done()) == (True, True, True)
    budget.release(await last)
    assert budget.num_tokens == 0
    assert queue.num_free_tokens == 400
