"""A real server for tests that are synchronous themselves, or whose clients are other processes."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from server.app import Application
from shared.store.folder import FolderStore
from tests.conftest import running_server

DEADLINE_S = 120


class ServerInThread:
    """The whole server on a loop of its own, so that a synchronous client can talk to it."""

    def __init__(self, store: FolderStore, redis_url: str, **settings: str) -> None:
        self._runner = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._runner.run_forever, name="server")
        self._thread.start()
        self._context = running_server(store, redis_url, **settings)
        running = self._run(self._context.__aenter__())
        self.target: str = running.target
        self.application: Application = running.application

    def stop(self) -> None:
        self._run(self._context.__aexit__(None, None, None))
        self._runner.call_soon_threadsafe(self._runner.stop)
        self._thread.join()
        self._runner.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._runner).result(DEADLINE_S)
