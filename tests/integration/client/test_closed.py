"""Clients that are closed, before a call or in the midst of one: both say so, and nothing crashes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

import polyhead
from polyhead import AsyncClient, Client
from tests.integration.client.driver import AsyncDriver, SyncDriver
from tests.integration.client.fake_service import FakeServer

DEADLINE_S = 60
SPEC = {"tasks": [{"name": "sentiment", "labels": ["negative", "positive"], "data": {"train": "a.csv"}}]}
CALLS: list[tuple[Any, ...]] = [
    ("predict", ["good"]),
    ("embed", ["good"] * 100),
    ("predict_stream", ["good"]),
    ("embed_stream", ["good"]),
    ("train_job", SPEC),
    ("watch_job", "job1"),
    ("upload_dataset", Path(__file__)),
    ("server_info",),
    ("promote", 3),
    ("watch_releases",),
    ("get_report", 3),
    ("wait_until_ready", DEADLINE_S),
]


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[SyncDriver | AsyncDriver]:
    driver = request.param(server.target, timeout_s=DEADLINE_S)
    yield driver
    driver.close()


@pytest.mark.parametrize("is_used", [False, True], ids=["fresh", "used"])
def test_call_of_a_closed_client_says_that_it_is_closed(call: SyncDriver | AsyncDriver, is_used: bool) -> None:
    """gRPC crashes the interpreter where the client was never used, and raises a bare ValueError where it was."""
    if is_used:
        call("server_info")
        call("predict", ["good"])
        call("watch_job", "job1")
    call("close")
    call("close")
    for method, *arguments in CALLS:
        with pytest.raises(polyhead.CallCancelledError, match="is closed; make a new one"):
            call(method, *arguments)


def test_closed_client_is_not_entered_again(server: FakeServer) -> None:
    """`with client:` twice looks as if it would connect again."""
    with Client(server.target) as client:
        pass
    with pytest.raises(polyhead.CallCancelledError, match="make a new one"), client:
        pass

    async def enter_twice() -> None:
        async with AsyncClient(server.target) as client:
            pass
        async with client:
            pass

    with pytest.raises(polyhead.CallCancelledError, match="make a new one"):
        asyncio.run(enter_twice())


@pytest.mark.parametrize("close_meanwhile", ["sync", "async"], indirect=True)
@pytest.mark.parametrize(
    ("method", "argument"), [("embed", ["slow"]), ("watch_job", "endless"), ("wait_until_ready", DEADLINE_S)]
)
def test_call_that_is_open_when_its_client_is_closed_says_so(
    server: FakeServer, close_meanwhile: Callable[..., BaseException | None], method: str, argument: Any
) -> None:
    """Another thread's or task's close: a bare CancelledError would end a task that nobody cancelled."""
    server.set_health("", 2)  # NOT_SERVING
    error = close_meanwhile(server, method, argument)
    assert isinstance(error, polyhead.CallCancelledError)
    assert "closed" in error.message
    assert "make a new one" in error.message


@pytest.mark.parametrize("close_meanwhile", ["sync", "async"], indirect=True)
def test_call_between_two_tries_when_its_client_is_closed_is_not_tried_again(
    server: FakeServer, close_meanwhile: Callable[..., BaseException | None]
) -> None:
    """Nothing is asked through a client that is closed."""
    server.inference.troubles.extend([(grpc.StatusCode.RESOURCE_EXHAUSTED, 2.0)] * 9)
    error = close_meanwhile(server, "embed", ["good"])
    assert isinstance(error, polyhead.CallCancelledError)
    assert "make a new one" in error.message
    assert server.inference.num_calls == 1


def test_cancelled_task_of_a_closed_client_stays_cancelled(server: FakeServer) -> None:
    """asyncio's own cancellation (a timeout, a task group) must never turn into an error of ours."""

    async def cancel_and_close() -> bool:
        client = AsyncClient(server.target, timeout_s=DEADLINE_S)
        task = asyncio.create_task(client.embed(["slow"]))
        await _until(lambda: server.inference.num_calls > 0)
        task.cancel()
        await client.close()
        await asyncio.wait([task], timeout=DEADLINE_S)
        return task.cancelled()

    assert asyncio.run(cancel_and_close())


@pytest.fixture
def close_meanwhile(request: pytest.FixtureRequest) -> Callable[..., BaseException | None]:
    """Begins a call, closes the client once the server has it (or at once, where it does not tell), gives its error."""
    return _close_sync if request.param == "sync" else lambda *call: asyncio.run(_close_async(*call))


def _close_sync(server: FakeServer, method: str, argument: Any) -> BaseException | None:
    client = Client(server.target, timeout_s=DEADLINE_S)
    seen: list[object] = []

    def run() -> None:
        answer = getattr(client, method)(argument)
        if isinstance(answer, Iterator):
            for item in answer:
                seen.append(item)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        deadline = time.monotonic() + DEADLINE_S
        while not _has_begun(server, method, seen) and time.monotonic() < deadline:
            time.sleep(0.01)
        client.close()
        return future.exception(DEADLINE_S)


async def _close_async(server: FakeServer, method: str, argument: Any) -> BaseException | None:
    client = AsyncClient(server.target, timeout_s=DEADLINE_S)
    seen: list[object] = []

    async def run() -> None:
        answer = getattr(client, method)(argument)
        if isinstance(answer, AsyncIterator):
            async for item in answer:
                seen.append(item)
        else:
            await answer

    task = asyncio.create_task(run())
    await _until(lambda: _has_begun(server, method, seen))
    await client.close()
    [ended], _ = await asyncio.wait([task], timeout=DEADLINE_S)
    return asyncio.CancelledError() if ended.cancelled() else ended.exception()


def _has_begun(server: FakeServer, method: str, seen: list[object]) -> bool:
    return method == "wait_until_ready" or server.inference.num_calls > 0 or len(seen) > 1


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - what a server in another thread has seen
            await asyncio.sleep(0.01)
