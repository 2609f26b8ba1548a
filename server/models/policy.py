"""Which version each role of the routing table should have, given what cannot be loaded. Pure functions.

A role whose newest version cannot be loaded keeps the one it had before: so a bad release leaves the old model in
place, and a server that starts when the newest release does not verify serves the newest that does. A model that
serves is in memory and proven: it is never given up for one further back, not even if its files are gone by now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from shared.store.releases import ReleaseRecord, deleted_versions

STABLE = "stable"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that could be served, and the newest release that names it for the role."""

    release: int
    version: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The wanted state: roles and their versions. A role without any version that can be loaded is absent."""

    release: int
    stable: Candidate | None = None
    aliases: Mapping[str, Candidate] = field(default_factory=dict)
    canary: Candidate | None = None
    canary_share: float = 0.0
    #: Versions that a release names and that were passed over.
    skipped: frozenset[int] = frozenset()

    def wanted(self) -> Iterator[Candidate]:
        """In the order of loading."""
        if self.stable:
            yield self.stable
        yield from self.aliases.values()
        if self.canary:
            yield self.canary

    def next_to_load(self, loaded: Collection[int]) -> Candidate | None:
        return next((candidate for candidate in self.wanted() if candidate.version not in loaded), None)


def make_plan(
    releases: Sequence[ReleaseRecord],
    is_blocked: Callable[[Candidate], bool],
    serving: Mapping[str, int] = MappingProxyType({}),
) -> Plan:
    """The newest routing table, with versions that cannot be loaded replaced by those before them.

    `serving` has the versions that serve now, by `stable` or alias.
    """
    if not releases:
        return Plan(0)
    newest = releases[-1]
    gone = deleted_versions(releases)
    skipped: set[int] = set()

    def first(candidates: Iterator[Candidate], served: int | None = None) -> Candidate | None:
        for candidate in candidates:
            if candidate.version == served:
                return candidate
            if is_blocked(candidate):
                skipped.add(candidate.version)
            elif candidate.version not in gone:
                return candidate
        return None

    stable = first(_stables(releases), serving.get(STABLE))
    aliases = {name: first(_aliased(releases, name), serving.get(name)) for name in newest.aliases}
    canary = None
    if newest.canary:
        canary = first(iter([Candidate(len(releases), newest.canary.version)]))
    return Plan(
        release=len(releases),
        stable=stable,
        aliases={name: candidate for name, candidate in aliases.items() if candidate},
        canary=canary,
        canary_share=newest.canary.share if newest.canary and canary else 0.0,
        skipped=frozenset(skipped),
    )


def _stables(releases: Sequence[ReleaseRecord]) -> Iterator[Candidate]:
    seen: set[int] = set()
    for number in range(len(releases), 0, -1):
        version = releases[number - 1].stable
        if version not in seen:
            seen.add(version)
            yield Candidate(number, version)


def _aliased(releases: Sequence[ReleaseRecord], name: str) -> Iterator[Candidate]:
    """Back to where the alias began to exist."""
    for number in range(len(releases), 0, -1):
        version = releases[number - 1].aliases.get(name)
        if version is None:
            return
        yield Candidate(number, version)
