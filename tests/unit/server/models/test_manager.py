"""The watch for releases never ends, whatever a load does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.models import failures as module
from server.models.manager import ModelManager
from server.models.routing import Wish
from server.models.snapshot import Snapshot
from shared.errors import CorruptArtifactError, FailedPreconditionError, StoreError, UnavailableError
from shared.store.folder import FolderStore
from shared.store.releases import releases_log
from shared.store.versions import VersionRecord
from tests.published import publish, release


class FailingLoader:
    """Raises what the test says, then loads for real: a machine that is out of memory cannot be had on demand."""

    def __init__(self, store: FolderStore, failures: list[Exception]) -> None:
        import torch

        from server.models.loader import Loader

        self._loader = Loader(store, torch.device("cpu"), "float32")
        self._failures = failures

    def load_blocking(self, version: int, record: VersionRecord, is_urgent: bool = False) -> Snapshot:
        if self._failures:
            raise self._failures.pop(0)
        return self._loader.load_blocking(version, record, is_urgent)


async def until(is_true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


async def test_a_store_without_a_release_is_told_from_a_server_that_starts(tmp_path: Path, tiny_base: Path) -> None:
    """`starting` for ever would hide that nobody has published anything."""
    store = FolderStore(tmp_path)
    with ThreadPoolExecutor(1) as pool, capture_logs() as logs:
        manager = ModelManager(store, FailingLoader(store, []), pool, 0.01, lambda: None)  # type: ignore[arg-type]

        def refusals() -> set[str]:
            found = set()
            for wish in (Wish(), Wish(version=1), Wish(alias="stable")):
                with pytest.raises(UnavailableError) as caught:
                    manager.acquire(wish)
                found.add(str(caught.value))
            return found

        (starting,) = refusals()
        assert "the server is starting" in starting
        await manager.follow()
        await manager.follow()
        (empty,) = refusals()
        assert "the store has no release; a worker that starts publishes the base encoder" in empty
        assert [line["event"] for line in logs] == ["the store has no release to serve"]
        publish(store, tiny_base)
        await manager.follow()
        assert manager.acquire(Wish()).version == 1


async def test_store_whose_versions_are_all_refused_says_why(tmp_path: Path, tiny_base: Path) -> None:
    """`being loaded; try again in a moment` for ever would hide what is wrong."""
    store = FolderStore(tmp_path)
    for seed in (1, 2):
        publish(store, tiny_base, seed=seed)
    with ThreadPoolExecutor(1) as pool:
        loader = FailingLoader(store, [CorruptArtifactError("heads: hash"), CorruptArtifactError("labels: none")])
        manager = ModelManager(store, loader, pool, 0.01, lambda: None)  # type: ignore[arg-type]
        manager.releases, manager.has_looked = releases_log(store).entries(), True  # seen, and nothing tried yet
        with pytest.raises(UnavailableError, match="release 2 is being loaded"):
            manager.acquire(Wish())
        await manager.follow()
        with pytest.raises(FailedPreconditionError) as caught:
            manager.acquire(Wish())
        assert str(caught.value) == (
            "no model can be loaded: version 2 was refused: heads: hash; version 1 was refused: labels: none"
        )
        release(store, 1)  # names it again: that is tried, and works
        await manager.follow()
        assert manager.acquire(Wish()).version == 1


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
