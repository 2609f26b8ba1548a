"""The watch for releases never ends, whatever a load does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.models import failures as module
from server.models.manager import ModelManager
from server.models.routing import Wish
from server.models.snapshot import Snapshot
from shared.errors import StoreError, UnavailableError
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord
from tests.published import publish


class FailingLoader:
    """Raises what the test says, then loads for real: a machine that is out of memory cannot be had on demand."""

    def __init__(self, store: FolderStore, failures: list[Exception]) -> None:
        import torch

        from server.models.loader import Loader

        self._loader = Loader(store, torch.device("cpu"), "float32")
        self._failures = failures

    def load_blocking(self, version: int, record: VersionRecord) -> Snapshot:
        if self._failures:
            raise self._failures.pop(0)
        return self._loader.load_blocking(version, record)


async def until(is_true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize("error", [RuntimeError("cannot allocate memory"), MemoryError("no"), StoreError("away")])
async def test_load_that_fails_is_told_and_tried_again(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A watch that died over one failed allocation would leave the server on its old model for ever."""
    monkeypatch.setattr(module, "PASSING_RETRY_S", 0.05)
    store = FolderStore(tmp_path)
    publish(store, tiny_base)
    served = asyncio.Event()
    with ThreadPoolExecutor(1) as pool:
        loader = FailingLoader(store, [error, error])
        manager = ModelManager(store, loader, pool, 0.01, served.set)  # type: ignore[arg-type]
        watch = asyncio.create_task(manager.run())
        await until(lambda: bool(manager.trouble))
        assert str(error) in manager.trouble
        with pytest.raises(UnavailableError, match=str(error)):
            manager.acquire(Wish())
        await asyncio.wait_for(served.wait(), 60)
        await until(lambda: not manager.trouble)
        assert manager.acquire(Wish()).version == 1
        assert not manager.failures
        watch.cancel()
