"""releases/<k>.json: the dense log of routing tables. The newest one says which versions a server loads and serves."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from shared.store.folder import FolderStore
from shared.store.log import DenseLog
from shared.store.records import Record


class Canary(BaseModel, frozen=True):
    """A share of the traffic (0 to 1) that goes to another version."""

    version: int
    share: float = Field(gt=0, le=1)


class ReleaseRecord(Record):
    """Release k is entry k of the log: a whole routing table, never a difference."""

    #: The version that answers a request which names nothing.
    stable: int
    #: Alias -> version. `latest` moves with each automatic release.
    aliases: dict[str, int] = {}
    canary: Canary | None = None
    #: Automatic releases wait while this is set.
    hold: bool = False
    why: str
    #: Who asked for it: `worker`, or the name of a client.
    by: str
    #: The job or the request that this entry settles; a writer stops if its id is in the log.
    job_id: str = ""
    request_id: str = ""
    #: The change that was asked for, in canonical words such as `promote 3`: a repeated request id must mean the same.
    change: str = ""
    #: The version that this entry marks as deleted: its files may go from now on, and no later entry may name it.
    deleted: int | None = None
    #: What the gate said.
    verdict: str = "not judged"
    #: The release its candidate was judged against.
    judged_against: int | None = None

    def versions(self) -> set[int]:
        """The versions a server must have loaded to follow this table."""
        named = {self.stable, *self.aliases.values()}
        return named | {self.canary.version} if self.canary else named


def deleted_versions(releases: Sequence[ReleaseRecord]) -> set[int]:
    """Versions whose files are gone, or are going."""
    return {entry.deleted for entry in releases if entry.deleted is not None}


def fallback_version(releases: Sequence[ReleaseRecord]) -> int | None:
    """The version that a server which starts now serves if the newest stable one cannot be loaded."""
    gone = deleted_versions(releases)
    earlier = (entry.stable for entry in reversed(releases) if entry.stable != releases[-1].stable)
    return next((version for version in earlier if version not in gone), None)


def releases_log(store: FolderStore) -> DenseLog[ReleaseRecord]:
    return DenseLog(store, "releases", ReleaseRecord)
