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

#: Seconds until a failed look or load is tried again: loading costs a second of compute that requests would miss.
RETRY_S = 5.0


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
        #: Why the newest release could not be looked at or loaded the last time; empty: all is well.
        self.trouble = ""

    def snapshot(self) -> Snapshot:
        """The model that serves now. Hold it for one request, and take a new one for the next.

        Raises:
            UnavailableError: while no model is loaded.
        """
        if self._current is None:
            raise UnavailableError(f"no model is loaded yet: {self.trouble or 'the server is starting'}")
        return self._current

    @property
    def serving(self) -> tuple[Snapshot, int] | None:
        """The model that serves now, with the release it was loaded for."""
        return (self._current, self._current_release) if self._current else None

    async def run(self) -> None:
        """Look for releases until cancelled. Whatever goes wrong is told once and tried again: the watch never ends.

        A store that is away comes back, and memory that a swap did not get may be free later.
        """
        while True:
            pause_s = self._poll_s
            try:
                while await self._step():
                    pass
                self.trouble = ""
            except Exception as error:  # noqa: BLE001 - a watch that ends would freeze the server on one model
                pause_s = max(pause_s, RETRY_S)
                self._tell(error)
            await asyncio.sleep(pause_s)

    def _tell(self, error: Exception) -> None:
        trouble = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        if trouble != self.trouble:
            log.error("releases cannot be followed; the served model stays", error=trouble, exc_info=error)
        self.trouble = trouble

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
