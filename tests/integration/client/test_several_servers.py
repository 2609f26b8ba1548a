"""One client of three real servers, one of which stops and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from polyhead import INFERENCE_SERVICE, AsyncClient, Client
from shared.store.folder import FolderStore
from shared.store.versions import versions_log
from tests.conftest import RunningServer, running_server
from tests.integration.client.fake_service import FakeServer
from tests.processes import free_port
from tests.published import publish

DEADLINE_S = 120
NOT_SERVING = 2


class Asker:
    """Asks again and again, and remembers who answered; a call that fails ends the test."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self.seen: set[object] = set()
        self._ask = ask
        self._is_over = False

    async def run(self) -> None:
        while not self._is_over:
            answer = self._ask()
            self.seen.add(await answer if asyncio.iscoroutine(answer) else answer)

    def stop(self) -> None:
        self._is_over = True


@asynccontextmanager
async def serving(store: FolderStore, valkey_url: str, target: str) -> AsyncIterator[RunningServer]:
    settings = {"SERVER_LISTEN": target, "SERVER_COMPUTE_WORKERS": "1"}
    async with running_server(store, valkey_url, **settings) as running, AsyncClient(target) as client:
        await client.wait_until_ready(DEADLINE_S, INFERENCE_SERVICE)
        yield running


async def until(asked: list[Asker], tasks: list[asyncio.Task[None]], names: set[object]) -> None:
    """Every asker has heard exactly `names` since now."""
    for asker in asked:
        asker.seen.clear()
    async with asyncio.timeout(DEADLINE_S):
        while not all(asker.seen == names for asker in asked):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)


async def test_server_that_stops_and_comes_back_costs_no_call(tiny_base: Path, valkey_url: str, tmp_path: Path) -> None:
    """The point of several servers: each can be replaced while clients of both kinds go on."""
    stores = [FolderStore(tmp_path / f"store{number}") for number in range(3)]
    targets = [f"127.0.0.1:{free_port()}" for _ in stores]
    for store in stores:
        publish(store, tiny_base)
    names = [versions_log(store).entries()[0].artifact_id for store in stores]
    async with AsyncExitStack() as stack:
        for store, target in zip(stores[:2], targets[:2], strict=True):
            await stack.enter_async_context(serving(store, valkey_url, target))
        client = await stack.enter_async_context(AsyncClient(targets, timeout_s=60))
        blocking = stack.enter_context(Client(",".join(targets), timeout_s=60))

        async def ask() -> str:
            return (await client.predict("a day")).artifact_id

        async def ask_blocking() -> str:
            return (await asyncio.to_thread(blocking.predict, "a day")).artifact_id

        asked = [Asker(ask), Asker(ask), Asker(ask_blocking)]
        tasks = [asyncio.create_task(asker.run()) for asker in asked]
        async with serving(stores[2], valkey_url, targets[2]):
            await until(asked, tasks, set(names))
        await until(asked, tasks, set(names[:2]))
        async with serving(stores[2], valkey_url, targets[2]):
            await until(asked, tasks, set(names))
            for asker in asked:
                asker.stop()
            await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_S)


@pytest.mark.parametrize("as_list", [True, False])
def test_server_that_drains_is_asked_no_more(as_list: bool) -> None:
    """Its health says so before it refuses; without retries, not one call may go there."""
    with FakeServer() as one, FakeServer() as other:
        targets = [one.target, other.target]
        with Client(targets if as_list else ",".join(targets), retries=0) as client:
            # No wait_until_ready here: the fake's health servicer (grpcio-health-checking's) tells nobody any more
            # once one watcher has left. The real server has its own.
            while not (one.inference.num_calls and other.inference.num_calls):
                client.predict("good")
            one.set_health("", NOT_SERVING)
            quiet = 0
            while quiet < 20:
                before = one.inference.num_calls
                client.predict("good")
                quiet = quiet + 1 if one.inference.num_calls == before else 0
