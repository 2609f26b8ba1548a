"""Changes of the routing table that people ask for, as pure decisions on the log of releases.

Each gives the table that follows the newest one, or raises FailedPreconditionError for what makes no sense now. They
are asked again whenever another writer was faster (shared.store.log).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.errors import AlreadyExistsError, FailedPreconditionError
from shared.store.releases import Canary, ReleaseRecord, deleted_versions


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for a change, and why. `id` makes a repetition the same change."""

    id: str
    why: str
    by: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a release says of the routing."""

    stable: int
    aliases: dict[str, int]
    canary: Canary | None
    hold: bool


class Change(Protocol):
    """One kind of change."""

    @property
    def words(self) -> str:
        """The change in canonical words, which are recorded: equal words are the same change."""
        ...

    @property
    def version(self) -> int:
        """The version that must be proven first; 0: none."""
        ...

    def table(self, releases: Sequence[ReleaseRecord]) -> Table: ...


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version becomes stable, or (canary_share given) canary, or (0) is no canary any more."""

    version: int
    canary_share: float | None = None
    resume_automatic: bool = False

    @property
    def words(self) -> str:
        canary = "" if self.canary_share is None else f" as canary {self.canary_share:g}"
        return f"promote {self.version}{canary}{' and resume automatic releases' if self.resume_automatic else ''}"

    def table(self, releases: Sequence[ReleaseRecord]) -> Table:
        hold = not self.resume_automatic
        if not releases:
            if self.canary_share is not None:
                raise FailedPreconditionError("there is no release yet, so there is no stable version beside a canary")
            return Table(self.version, {"latest": self.version}, None, hold)
        newest = releases[-1]
        canary = newest.canary
        if self.canary_share is None:
            remaining = canary if canary and canary.version != self.version else None
            return Table(self.version, newest.aliases, remaining, hold)
        if self.canary_share == 0:
            if canary is None or canary.version != self.version:
                shown = f"the canary is version {canary.version}" if canary else "there is no canary"
                raise FailedPreconditionError(f"version {self.version} is not the canary: {shown}")
            return Table(newest.stable, newest.aliases, None, hold)
        if self.version == newest.stable:
            raise FailedPreconditionError(f"version {self.version} is stable: a canary must be another version")
        return Table(newest.stable, newest.aliases, Canary(version=self.version, share=self.canary_share), hold)


@dataclass(frozen=True, slots=True)
class Rollback:
    """A version that was stable before becomes stable again; nothing else moves."""

    version: int

    @property
    def words(self) -> str:
        return f"rollback {self.version}"

    def table(self, releases: Sequence[ReleaseRecord]) -> Table:
        newest = _newest(releases)
        if self.version == newest.stable:
            raise FailedPreconditionError(f"version {self.version} is stable already")
        earlier = sorted({entry.stable for entry in releases} - {newest.stable} - deleted_versions(releases))
        if self.version not in earlier:
            shown = ", ".join(map(str, earlier)) or "none"
            raise FailedPreconditionError(
                f"version {self.version} was never stable; a rollback can go to: {shown}. Use Promote for any other"
            )
        remaining = newest.canary if newest.canary and newest.canary.version != self.version else None
        return Table(self.version, newest.aliases, remaining, hold=True)


@dataclass(frozen=True, slots=True)
class AliasChange:
    """An alias points to a version, or (0) is removed."""

    alias: str
    version: int

    @property
    def words(self) -> str:
        return f"alias {self.alias} {self.version}" if self.version else f"remove alias {self.alias}"

    def table(self, releases: Sequence[ReleaseRecord]) -> Table:
        newest = _newest(releases)
        aliases = dict(newest.aliases)
        if self.version:
            aliases[self.alias] = self.version
        elif aliases.pop(self.alias, None) is None:
            raise FailedPreconditionError(f"there is no alias {self.alias!r}; there are {sorted(aliases)}")
        return Table(newest.stable, aliases, newest.canary, newest.hold)


def find_request(releases: Sequence[ReleaseRecord], change: Change, request_id: str) -> int | None:
    """The number of the release that this request led to before.

    Raises:
        AlreadyExistsError: if the request id was used for another change.
    """
    for number, entry in enumerate(releases, 1):
        if entry.request_id == request_id:
            if entry.change != change.words:
                raise AlreadyExistsError(
                    f"request_id {request_id!r} was used for `{entry.change}` (release {number}), not `{change.words}`"
                )
            return number
    return None


def decide(change: Change, request: Request, releases: Sequence[ReleaseRecord]) -> ReleaseRecord | None:
    """The release to append; None if the request has been settled.

    Raises:
        FailedPreconditionError: if the change makes no sense after these releases.
        AlreadyExistsError: if the request id was used for another change.
    """
    if find_request(releases, change, request.id) is not None:
        return None
    for number, entry in enumerate(releases, 1):
        if change.version and entry.deleted == change.version:
            raise FailedPreconditionError(f"version {change.version} was deleted (release {number}, by {entry.by})")
    table = change.table(releases)
    return ReleaseRecord(
        stable=table.stable,
        aliases=table.aliases,
        canary=table.canary,
        hold=table.hold,
        why=request.why or change.words,
        by=request.by,
        request_id=request.id,
        change=change.words,
    )


def _newest(releases: Sequence[ReleaseRecord]) -> ReleaseRecord:
    if not releases:
        raise FailedPreconditionError("there is no release yet; promote a version first")
    return releases[-1]
