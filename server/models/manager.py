"""Follows the releases in the store, and swaps in each new model when it has proven itself.

Lives on the event loop; loading runs in the executor given here. The old model serves until the new one is loaded,
verified and warm; the swap is one assignment between two requests. A model is freed when the last request that
acquired it lets go of its snapshot: a snapshot is immutable, and its references are what counts them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from server.models.loader import Loader
from server.models.policy import Candidate, candidates, next_to_load
from server.models.snapshot import Snapshot
from shared.errors import CorruptArtifactError, SchemaVersionError, StoreError, UnavailableError
from shared.store.folder import FolderStore
from shared.store.releases import releases_log
from shared.store.versions import versions_log

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that a release names and that was not loaded, and why."""

    release: int
    version: int
    reason: str


class ModelManager:
    """Owns which model serves. `run` watches until it is cancelled."""

    def __init__(
        self, store: FolderStore, loader: Loader, executor: Executor, poll_s: float, on_serving: Callable[[], None]
    ) -> None:
        self._releases = releases_log(store)
        self._versions = versions_log(store)
        self._loader = loader
        self._executor = executor
        self._poll_s = poll_s
        self._on_serving = on_serving
        self._current: Snapshot | None = None
        self._current_release = 0
        self.newest_release = 0
        self.refusals: dict[int, Refusal] = {}
        self._store_error = ""

    def snapshot(self) -> Snapshot:
        """The model that serves now. Hold it for one request, and take a new one for the next.

        Raises:
            UnavailableError: while no model is loaded.
        """
        if self._current is None:
            raise UnavailableError(self._store_error or "no model is loaded yet; the server is starting")
        return self._current

    @property
    def serving(self) -> tuple[Snapshot, int] | None:
        """The model that serves now, with the release it was loaded for."""
        return (self._current, self._current_release) if self._current else None

    async def run(self) -> None:
        """Look for releases until cancelled. A store that cannot be read is reported and tried again."""
        while True:
            try:
                while await self._step():
                    pass
                self._store_error = ""
            except StoreError as error:
                if str(error) != self._store_error:
                    log.error("the store cannot be read; the served model stays", error=str(error))
                self._store_error = str(error)
            await asyncio.sleep(self._poll_s)

    async def _step(self) -> bool:
        """Load at most one model; True if it makes sense to look again at once."""
        loop = asyncio.get_running_loop()
        releases = await loop.run_in_executor(self._executor, self._releases.entries)
        self.newest_release = len(releases)
        serving = self._current.version if self._current else None
        candidate = next_to_load(candidates(releases), serving, self.refusals)
        if candidate is None:
            return False
        started_s = time.monotonic()
        try:
            snapshot = await loop.run_in_executor(self._executor, self._load_blocking, candidate)
        except (CorruptArtifactError, SchemaVersionError) as error:
            self._refuse(candidate, str(error))
            return True
        self._swap(snapshot, candidate, time.monotonic() - started_s)
        return True

    def _load_blocking(self, candidate: Candidate) -> Snapshot:
        versions = self._versions.entries()
        if candidate.version > len(versions):
            raise CorruptArtifactError(
                f"release {candidate.release} names version {candidate.version}, which is not there"
            )
        return self._loader.load_blocking(candidate.version, versions[candidate.version - 1])

    def _refuse(self, candidate: Candidate, reason: str) -> None:
        log.error("model refused", release=candidate.release, version=candidate.version, reason=reason)
        self.refusals[candidate.version] = Refusal(candidate.release, candidate.version, reason)

    def _swap(self, snapshot: Snapshot, candidate: Candidate, seconds: float) -> None:
        previous = self._current.version if self._current else None
        self._current, self._current_release = snapshot, candidate.release
        log.info(
            "model swapped",
            release=candidate.release,
            version=snapshot.version,
            previous=previous,
            seconds=round(seconds, 2),
        )
        if previous is None:
            self._on_serving()
