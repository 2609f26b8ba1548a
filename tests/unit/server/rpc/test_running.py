"""How each kind of call ends in a drain, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.rpc.request_ids import request_id_of
from server.rpc.running import RunningCalls
from shared.errors import DrainingError


async def forever(*first: int) -> AsyncIterator[int]:
    """These, and then no end."""
    for item in first:
        yield item
    await asyncio.Event().wait()


async def test_call_that_comes_while_draining_is_refused_and_the_running_one_awaited() -> None:
    """Accepted is a promise; what comes later belongs to another server."""
    calls = RunningCalls()
    calls.begin()
    calls.drain()
    with pytest.raises(DrainingError):
        calls.begin()
    idle = asyncio.create_task(calls.until_idle())
    await asyncio.sleep(0)
    assert not idle.done()
    calls.end()
    await idle
    assert calls.num_running == 0


async def test_watch_that_waits_ends_with_the_drain() -> None:
    """It would otherwise use up the drain time of every stop."""
    calls = RunningCalls()
    seen: list[int] = []

    async def consume() -> None:
        async for item in calls.watched(forever(1, 2)):
            seen.append(item)

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.01)
    calls.drain()
    with pytest.raises(DrainingError):
        await task
    assert seen == [1, 2]


async def test_watch_whose_message_is_being_sent_ends_after_it() -> None:
    """A cancellation in the middle of a write would leave the client without a status."""
    calls = RunningCalls()
    sending = asyncio.Event()
    sent: list[int] = []

    async def consume() -> None:
        async for item in calls.watched(forever(1)):
            sending.set()
            await asyncio.sleep(0.05)
            sent.append(item)

    task = asyncio.create_task(consume())
    await sending.wait()
    calls.drain()
    with pytest.raises(DrainingError):
        await task
    assert sent == [1]


async def test_watch_that_its_client_cancels_is_cancelled_also_while_draining() -> None:
    """The transport waits for just that."""
    calls = RunningCalls()

    async def consume() -> None:
        async for _ in calls.watched(forever()):
            pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.01)
    task.cancel()
    calls.drain()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_stream_of_requests_is_cut_by_the_drain_after_what_was_read() -> None:
    """What was read is answered; nobody may take the cut for the client's own end."""
    calls = RunningCalls()
    requests = calls.requests(forever(1, 2))
    answered: list[int] = []
    both = asyncio.Event()

    async def answer() -> None:
        async for item in requests:
            await asyncio.sleep(0)
            answered.append(item)
            if item == 2:
                both.set()

    task = asyncio.create_task(answer())
    await both.wait()
    assert not requests.is_cut
    calls.drain()
    await task
    await requests.aclose()
    assert answered == [1, 2]
    assert requests.is_cut


async def test_stream_of_requests_that_are_all_there_is_cut_too() -> None:
    """A client that sends faster than it is answered would otherwise use up the drain time."""

    async def endless() -> AsyncIterator[int]:
        while True:
            yield 1

    calls = RunningCalls()
    requests = calls.requests(endless())
    assert await anext(requests) == 1
    calls.drain()
    assert [item async for item in requests] == []
    await requests.aclose()
    assert requests.is_cut


async def test_stream_that_its_client_ends_is_not_cut() -> None:
    """It ends with OK."""

    async def one() -> AsyncIterator[int]:
        yield 1

    requests = RunningCalls().requests(one())
    assert [item async for item in requests] == [1]
    await requests.aclose()
    assert not requests.is_cut
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_reader_of_requests_leaves_no_task_behind() -> None:
    """A million cancelled streams must not become a million tasks."""
    requests = RunningCalls().requests(forever())

    async def read() -> None:
        try:
            await anext(requests)
        finally:
            await requests.aclose()

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if len(asyncio.all_tasks()) == 1:
            break
        await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("bad", ["", "two words", "line\nbreak", "x" * 129, "ümlaut", b"bytes"])
def test_request_id_that_is_no_id_is_replaced(bad: str | bytes) -> None:
    """It goes into log lines and headers as it is."""
    made = request_id_of([("x-request-id", bad)])
    assert made != bad
    assert len(made) == 32


def test_request_id_of_the_usual_forms_is_kept() -> None:
    """UUIDs, trace ids, and what proxies make up."""
    for good in ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "Root=1-67891233-abcdef012345678912345678", "a/b:c+d@e.f"):
        assert request_id_of([("other", "x"), ("x-request-id", good)]) == good
