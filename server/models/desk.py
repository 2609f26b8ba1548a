"""Takes changes of the routing table: proves the version, appends the release, and has this server follow it.

Lives on the event loop; the store is asked in the executor given here. Many servers may do so at once: the dense log
decides, and each waits only for itself to switch, since the others follow within their poll time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

import structlog

from server.models.changes import Change, Request, Rollback, decide, find_request
from server.models.manager import ModelManager
from shared.errors import FailedPreconditionError, NotFoundError
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import versions_log

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Seconds between two looks for a watched release: a person sees it as live, and a look is one failed open of a file.
WATCH_INTERVAL_S = 0.25


class ReleaseDesk:
    """Changes and watches the releases of one store."""

    def __init__(self, store: FolderStore, models: ModelManager, executor: Executor) -> None:
        self._log = releases_log(store)
        self._versions = versions_log(store)
        self._models = models
        self._executor = executor

    async def change(self, change: Change, request: Request) -> tuple[int, ReleaseRecord]:
        """Settle a request; the same request again gives the same release.

        Raises:
            NotFoundError, FailedPreconditionError, UnavailableError: if the version cannot be proven.
            FailedPreconditionError: if the change makes no sense now.
            AlreadyExistsError: if the request id was used for another change.
        """
        releases = await self.releases()
        number = find_request(releases, change, request.id)
        if number is None:
            await self._check_exists(change.version)
            decide(change, request, releases)  # what is refused anyway need not be loaded first
            number = await self._prove_and_append(change, request)
        return number, (await self.releases())[number - 1]

    async def _check_exists(self, version: int) -> None:
        num_versions = len(await self._off_loop(self._versions.entries))
        if version > num_versions:
            raise NotFoundError(f"there is no version {version}; the newest is {num_versions}")

    async def _prove_and_append(self, change: Change, request: Request) -> int:
        proven = await self._models.prove(change.version, isinstance(change, Rollback)) if change.version else None
        number = await self._off_loop(
            lambda: self._log.append(lambda releases: decide(change, request, releases)),
        )
        if number is not None:
            log.info("release appended", release=number, change=change.words, by=request.by, why=request.why)
        await self._models.follow()
        del proven  # until here it was kept in memory, so that following needed no second load
        if number is None:
            number = find_request(await self.releases(), change, request.id)
        assert number is not None  # `decide` gives None only for a request that is in the log
        return number

    async def watch(self, after: int) -> AsyncIterator[tuple[int, ReleaseRecord]]:
        """Releases after number `after`; 0: the newest, and those after it. Never ends by itself.

        Raises:
            FailedPreconditionError: if there is no such release.
        """
        releases = await self.releases()
        if after > len(releases):
            raise FailedPreconditionError(f"there is no release {after} yet; the newest is {len(releases)}")
        next_number = after + 1 if after else max(len(releases), 1)
        while True:
            while next_number <= len(releases):
                yield next_number, releases[next_number - 1]
                next_number += 1
            await asyncio.sleep(WATCH_INTERVAL_S)
            releases = await self.releases()

    async def releases(self) -> Sequence[ReleaseRecord]:
        return await self._off_loop(self._log.entries)

    async def _off_loop(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)
