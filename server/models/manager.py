"""Follows the releases in the store: loads the versions that the newest one names, and swaps them in when proven.

Lives on the event loop; loading runs in the executor given here, one version at a time. Each role of the routing table
keeps its old model until the new one is loaded, verified and warm; a swap is one assignment between two requests.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

import structlog

from server.models.failures import Failure, Failures
from server.models.loader import Loader
from server.models.missing import HOW_TO_BEGIN, missing_error, no_model_error
from server.models.observer import ModelObserver, SilentObserver
from server.models.policy import Candidate, Plan, make_plan
from server.models.routing import NAMED, Routes, Wish, named_snapshot, unnamed_snapshot
from server.models.snapshot import Snapshot
from shared.errors import CorruptArtifactError, FailedPreconditionError, NotFoundError, StoreError, UnavailableError
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Seconds until releases that could not be read are looked for again.
RETRY_S = 5.0


class ModelManager:
    """Owns which models are loaded and which one answers. `run` watches until it is cancelled."""

    def __init__(
        self,
        store: FolderStore,
        loader: Loader,
        executor: Executor,
        poll_s: float,
        on_serving: Callable[[], None],
        observer: ModelObserver | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`on_serving` is called once, when the first model can answer; `draw` decides for requests without a key."""
        self._releases = releases_log(store)
        self._versions = versions_log(store)
        self._loader = loader
        self._executor = executor
        self._poll_s = poll_s
        self._on_serving = on_serving
        self._observer = observer or SilentObserver()
        self._draw = draw
        self._lock = asyncio.Lock()
        self._loaded: dict[int, Snapshot] = {}
        self._settled_release = 0
        self._store_trouble = ""
        self.failures = Failures()
        self.routes = Routes()
        #: What the last look found.
        self.releases: Sequence[ReleaseRecord] = ()
        self.has_looked = False
        self.num_versions = 0

    def acquire(self, wish: Wish) -> Snapshot:
        """The model for one request. Hold it for that request, and acquire again for the next.

        Raises:
            UnavailableError: while the model is not loaded yet.
            NotFoundError: for a version that was never published.
            FailedPreconditionError: for a version or alias that the routing table does not name, or that was refused;
                and if every version was.
        """
        snapshot, route = self.find(wish)
        self._observer.routed(snapshot.version, route)
        return snapshot

    def find(self, wish: Wish) -> tuple[Snapshot, str]:
        """As `acquire`, with the route, but not counted as a request."""
        if wish.is_named:
            snapshot = named_snapshot(self.routes, wish)
            if snapshot is None:
                raise missing_error(wish, self)
            return snapshot, NAMED
        if self.routes.stable is None:
            raise no_model_error(self)
        return unnamed_snapshot(self.routes, self.routes.stable, wish, self._draw)

    @property
    def is_settled(self) -> bool:
        """All that the newest release names was tried: what is not loaded now was refused."""
        return 0 < len(self.releases) == self._settled_release

    @property
    def trouble(self) -> str:
        """Why the newest release could not be looked at or loaded the last time; empty: all is well."""
        return self._store_trouble or self.failures.passing_reason

    async def run(self) -> None:
        """Look for releases until cancelled. Whatever goes wrong is told once and tried again: the watch never ends.

        A store that is away comes back, and memory that a swap did not get may be free later.
        """
        while True:
            await self.follow()
            await asyncio.sleep(max(self._poll_s, RETRY_S) if self._store_trouble else self._poll_s)

    async def follow(self) -> None:
        """Look for the newest release now, and load what it names. Raises nothing: `trouble` says what is wrong."""
        try:
            async with self._lock:
                await self._follow()
            self._store_trouble = ""
        except Exception as error:
            trouble = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            if trouble != self._store_trouble:
                log.error("releases cannot be followed; the served models stay", error=trouble, exc_info=error)
            self._store_trouble = trouble

    async def prove(self, version: int, is_urgent: bool = False) -> Snapshot:
        """Load a version that no release names yet. While the caller holds it, a release of it needs no second load.

        `is_urgent`: at the cost of the requests that run meanwhile.

        Raises:
            NotFoundError: if there is no such version.
            FailedPreconditionError: if it is not what its manifest says.
            UnavailableError: if it cannot be loaded just now.
        """
        async with self._lock:
            versions = await self._off_loop(self._versions.entries)
            if not 1 <= version <= len(versions):
                raise NotFoundError(f"there is no version {version}; the newest is {len(versions)}")
            loaded = await self._try_to_load(Candidate(0, version), versions, is_urgent)
        if isinstance(loaded, Snapshot):
            return loaded
        if loaded.is_passing:
            raise UnavailableError(f"version {version} cannot be loaded just now: {loaded.reason}; nothing was changed")
        raise FailedPreconditionError(f"version {version} does not load: {loaded.reason}; nothing was changed")

    async def _follow(self) -> None:
        while True:
            self.releases = await self._off_loop(self._releases.entries)
            versions = await self._off_loop(self._versions.entries)
            self.num_versions = len(versions)
            if not self.has_looked and not self.releases:
                log.warning("the store has no release to serve", how_to_begin=HOW_TO_BEGIN)
            self.has_looked = True
            if len(self.releases) == self._settled_release and not self.failures:
                return
            serving = {role: snapshot.version for role, snapshot in self.routes.roles().items()}
            plan = make_plan(self.releases, partial(self.failures.blocks, newest_release=len(self.releases)), serving)
            candidate = plan.next_to_load(self._loaded)
            if candidate is None:
                self._swap(plan)
                self.failures.keep(plan.skipped)
                self._settled_release = plan.release
                return
            loaded = await self._try_to_load(candidate, versions)
            if isinstance(loaded, Snapshot):
                self.failures.forget(candidate.version)
                self._loaded[candidate.version] = loaded
                self._swap(plan)
            else:
                self.failures.add(loaded)

    async def _try_to_load(
        self, candidate: Candidate, versions: Sequence[VersionRecord], is_urgent: bool = False
    ) -> Snapshot | Failure:
        started_s = time.monotonic()
        try:
            if candidate.version > len(versions):
                raise CorruptArtifactError(f"version {candidate.version} is not there")
            record = versions[candidate.version - 1]
            snapshot = await self._off_loop(lambda: self._loader.load_blocking(candidate.version, record, is_urgent))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one version must not keep the others away
            failure = Failure.of(error, candidate)
            if self.failures.is_news(failure):
                log.error("model refused", version=candidate.version, release=candidate.release, reason=failure.reason)
            self._observer.refused(candidate.version, failure.code)
            return failure
        self._observer.loaded(candidate.version, time.monotonic() - started_s)
        return snapshot

    def _swap(self, plan: Plan) -> None:
        """Give each role its planned model if that is loaded; else it keeps the one it has."""
        before, loaded = self.routes, self._loaded
        stable = loaded.get(plan.stable.version) if plan.stable else None
        aliases = {
            name: snapshot
            for name, candidate in plan.aliases.items()
            if (snapshot := loaded.get(candidate.version) or before.aliases.get(name))
        }
        self.routes = Routes(
            release=plan.release,
            stable=stable or before.stable,
            stable_release=plan.stable.release if plan.stable and stable else before.stable_release,
            aliases=aliases,
            canary=loaded.get(plan.canary.version) if plan.canary else None,
            canary_share=plan.canary_share,
        )
        planned = {candidate.version for candidate in plan.wanted()}
        serving = self.routes.snapshots()
        self._loaded = {version: item for version, item in loaded.items() if version in planned} | serving
        self._tell_swap(before)

    def _tell_swap(self, before: Routes) -> None:
        old = {role: snapshot.version for role, snapshot in before.roles().items()}
        new = {role: snapshot.version for role, snapshot in self.routes.roles().items()}
        if old == new:
            return
        log.info("models swapped", release=self.routes.release, serving=new, previous=old)
        self._observer.serving(new)
        if before.stable is None and self.routes.stable is not None:
            self._on_serving()

    async def _off_loop(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)
