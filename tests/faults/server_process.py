"""`python -m server` as a process of its own: memory cannot be told apart inside of a test's process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from shared.store.folder import FolderStore
from tests.processes import free_port

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class ServerProcess:
    """A server that has ended its start, and a channel to it."""

    pid: int
    channel: grpc.aio.Channel

    def resident_bytes(self) -> int:
        return resident_bytes(self.pid)


def resident_bytes(pid: int) -> int:
    """Memory that the process has in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def server_process(store: FolderStore, **settings: str) -> AsyncIterator[ServerProcess]:
    """Its inference needs no Redis."""
    target = f"127.0.0.1:{free_port()}"
    environment = {"STORE_URL": str(store.root), "SERVER_LISTEN": target, "SERVER_LOG_LEVEL": "WARNING"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", cwd=ROOT, env=os.environ | environment | settings
    )
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            await asyncio.wait_for(channel.channel_ready(), 200)
            yield ServerProcess(process.pid, channel)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 100)
