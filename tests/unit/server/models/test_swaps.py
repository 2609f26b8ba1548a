"""Models in memory: loaded once, shared, swapped role by role, and freed with the last request that holds one."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from server.models.changes import Promotion, Request, Rollback
from server.models.desk import ReleaseDesk
from server.models.idle_thread import IdleThread
from server.models.loader import Loader
from server.models.manager import ModelManager
from server.models.routing import Wish
from server.models.snapshot import Snapshot
from shared.errors import StoreError, UnavailableError
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from tests.published import add_version, publish
from worker.publishing.deletion import delete_version


class CountingLoader(Loader):
    """Loads for real; counts the models built, and fails those that the test names."""

    def __init__(self, store: FolderStore) -> None:
        super().__init__(store, torch.device("cpu"), "float32")
        self.built: list[str] = []
        self.urgent: list[int] = []
        self.away: set[int] = set()

    def load_blocking(self, version: int, record: VersionRecord, is_urgent: bool = False) -> Snapshot:
        if version in self.away:
            raise StoreError(f"cannot read version {version}: test")
        self.urgent += [version] * is_urgent
        return super().load_blocking(version, record, is_urgent)

    def _load(self, artifact: ArtifactReader, idle: IdleThread | None):  # type: ignore[no-untyped-def]
        self.built.append(artifact.manifest.artifact_id)
        return super()._load(artifact, idle)


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def loaded(self, version: int, seconds: float) -> None:
        self.told.append(("loaded", version))

    def refused(self, version: int, code: str) -> None:
        self.told.append(("refused", version, code))

    def serving(self, versions: Mapping[str, int]) -> None:
        self.told.append(("serving", dict(versions)))

    def routed(self, version: int, route: str) -> None:
        self.told.append(("routed", version, route))


@pytest.fixture
def loader(store: FolderStore) -> CountingLoader:
    return CountingLoader(store)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def manager(store: FolderStore, loader: CountingLoader, notes: Notes) -> AsyncIterator[ModelManager]:
    """Nobody watches: each test says when to look."""
    with ThreadPoolExecutor(1) as pool:
        yield ModelManager(store, loader, pool, 0.01, lambda: None, notes)


def release(store: FolderStore, stable: int, **aliases: int) -> None:
    releases_log(store).append(lambda _: ReleaseRecord(stable=stable, aliases=aliases, why="test", by="test"))


def same_artifact_again(store: FolderStore) -> int:
    record = versions_log(store).entries()[0].model_copy(update={"job_id": "again", "writer": "again"})
    number = versions_log(store).append(lambda _: record)
    assert number is not None
    return number


async def test_old_model_is_freed_when_its_last_request_lets_go(
    store: FolderStore, tiny_base: Path, manager: ModelManager
) -> None:
    """Memory goes back to one model after a swap, and no sooner than nobody needs the other."""
    publish(store, tiny_base, seed=1)
    await manager.follow()
    request = manager.acquire(Wish())
    old = weakref.ref(request.model)
    publish(store, tiny_base, seed=2)
    await manager.follow()
    assert manager.acquire(Wish()).version == 2
    gc.collect()
    assert old() is not None
    assert request.engine.run_blocking([[2, 3]]).pooled_BH.shape == (1, 32)
    with bound_contextvars(request_id="of-another"), capture_logs(processors=[merge_contextvars]) as logs:
        del request
        gc.collect()
    assert old() is None
    # Who held it last has nothing to do with it.
    assert [(line["event"], line["version"], "request_id" in line) for line in logs] == [("model freed", 1, False)]


async def test_versions_of_one_artifact_share_a_model(
    store: FolderStore, tiny_base: Path, manager: ModelManager, loader: CountingLoader
) -> None:
    """A second number is no second copy in memory; each answer still says its own."""
    publish(store, tiny_base, seed=1)
    second = same_artifact_again(store)
    release(store, 1, eu=second)
    await manager.follow()
    stable, named = manager.acquire(Wish()), manager.acquire(Wish(alias="eu"))
    assert (stable.version, named.version) == (1, second)
    assert stable.model is named.model
    assert len(loader.built) == 1


async def test_model_that_answers_stays_when_it_is_deleted_and_the_newest_is_refused(
    store: FolderStore, tiny_base: Path, manager: ModelManager
) -> None:
    """Going back to the base encoder, which has no heads, would fail every Predict."""
    add_version(store, tiny_base, tasks=(), seed=1)
    release(store, 1)
    publish(store, tiny_base, seed=2)
    await manager.follow()
    release(store, 9)  # is not there
    await manager.follow()
    assert manager.acquire(Wish()).version == 2
    delete_version(store, 2, "", "ann", force=True)
    await manager.follow()
    assert manager.routes.release == 4
    assert manager.acquire(Wish()).version == 2
    assert manager.acquire(Wish()).engine.run_blocking([[2, 3]]).pooled_BH.shape == (1, 32)


async def test_alias_keeps_its_model_until_the_new_one_is_loaded(
    store: FolderStore, tiny_base: Path, manager: ModelManager, loader: CountingLoader
) -> None:
    """A store that is away for a moment must not turn an alias into an error."""
    for seed in (1, 2, 3):
        add_version(store, tiny_base, seed=seed)
    release(store, 1, eu=2)
    await manager.follow()
    loader.away = {3}
    release(store, 1, eu=3)
    await manager.follow()
    assert manager.acquire(Wish(alias="eu")).version == 2
    assert "version 3" in manager.trouble
    assert manager.failures.all()[0].is_passing
    release(store, 1, eu=3)  # a newer release that names it has it tried again at once
    loader.away = set()
    await manager.follow()
    assert manager.acquire(Wish(alias="eu")).version == 3
    assert manager.trouble == ""
    assert sorted(manager.routes.snapshots()) == [1, 3]


async def test_version_that_is_being_loaded_is_unavailable_not_unknown(
    store: FolderStore, tiny_base: Path, manager: ModelManager
) -> None:
    """A client may try again; the table names it."""
    for seed in (1, 2):
        add_version(store, tiny_base, seed=seed)
    release(store, 1)
    await manager.follow()
    release(store, 1, eu=2)
    manager.releases = releases_log(store).entries()  # seen, and nothing of it loaded yet
    for wish in (Wish(alias="eu"), Wish(version=2)):
        with pytest.raises(UnavailableError, match="is being loaded"):
            manager.acquire(wish)


async def test_proven_version_is_not_loaded_again_to_serve(
    store: FolderStore, tiny_base: Path, manager: ModelManager, loader: CountingLoader
) -> None:
    """A promotion costs one load: the model that was proven is the one that serves."""
    publish(store, tiny_base, seed=1)
    add_version(store, tiny_base, seed=2)
    await manager.follow()
    with ThreadPoolExecutor(1) as pool:
        number, record = await ReleaseDesk(store, manager, pool).change(Promotion(2), Request("r", "", "ann"))
    assert (number, record.stable) == (2, 2)
    assert manager.acquire(Wish()).version == 2
    assert len(loader.built) == 2


async def test_rollback_that_must_load_does_not_wait_for_idle_cores(
    store: FolderStore, tiny_base: Path, manager: ModelManager, loader: CountingLoader
) -> None:
    """It is wanted most when the machine has no time, perhaps because of the version to get away from."""
    for seed in (1, 2):
        publish(store, tiny_base, seed=seed)
    add_version(store, tiny_base, seed=3)
    await manager.follow()
    with ThreadPoolExecutor(1) as pool:
        desk = ReleaseDesk(store, manager, pool)
        await desk.change(Promotion(3), Request("p", "", "ann"))
        assert loader.urgent == []
        await desk.change(Rollback(1), Request("r", "", "ann"))
    assert loader.urgent == [1]
    assert manager.acquire(Wish()).version == 1


async def test_release_that_changes_no_role_loads_nothing(
    store: FolderStore, tiny_base: Path, manager: ModelManager, loader: CountingLoader
) -> None:
    """Held jobs and deletions repeat the table."""
    publish(store, tiny_base, seed=1)
    await manager.follow()
    release(store, 1, latest=1)
    await manager.follow()
    assert len(loader.built) == 1
    assert manager.routes.release == 2


async def test_observer_is_told_of_loads_swaps_refusals_and_requests(
    store: FolderStore, tiny_base: Path, manager: ModelManager, notes: Notes
) -> None:
    """What metrics are made of."""
    publish(store, tiny_base, seed=1)
    release(store, 9)
    await manager.follow()
    manager.acquire(Wish())
    manager.acquire(Wish(version=1))
    assert notes.told == [
        ("refused", 9, "CORRUPT_ARTIFACT"),
        ("loaded", 1),
        ("serving", {"stable": 1}),
        ("routed", 1, "stable"),
        ("routed", 1, "named"),
    ]


async def test_refusal_is_forgotten_when_no_release_names_the_version(
    store: FolderStore, tiny_base: Path, manager: ModelManager
) -> None:
    """GetServerInfo tells what is wrong now, not what once was."""
    publish(store, tiny_base, seed=1)
    release(store, 9)
    await manager.follow()
    assert [failure.version for failure in manager.failures.all()] == [9]
    release(store, 1)
    await manager.follow()
    assert not manager.failures


async def test_versions_with_the_same_tokenizer_share_it(
    store: FolderStore, tiny_base: Path, manager: ModelManager
) -> None:
    """Reading one holds the interpreter's lock, which stops the event loop."""
    publish(store, tiny_base, seed=1)
    second = add_version(store, tiny_base, seed=2)
    release(store, 1, eu=second)
    await manager.follow()
    stable, named = manager.acquire(Wish()), manager.acquire(Wish(alias="eu"))
    assert stable.model is not named.model
    assert stable.text is named.text
