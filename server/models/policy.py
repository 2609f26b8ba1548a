"""What to do about the models, given what is wanted and what is there. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.store.releases import ReleaseRecord


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that could be served, and the release that names it."""

    release: int
    version: int


def candidates(releases: Sequence[ReleaseRecord]) -> list[Candidate]:
    """Stable versions in the order of preference: the newest release's first, each version once.

    The first that can be loaded is served. So a bad release leaves the one before it in place, and a server that
    starts when the newest release does not verify serves the newest that does.
    """
    found: dict[int, Candidate] = {}
    for number in range(len(releases), 0, -1):
        stable = releases[number - 1].stable
        found.setdefault(stable, Candidate(number, stable))
    return list(found.values())


def next_to_load(wanted: Sequence[Candidate], serving: int | None, refused: Collection[int]) -> Candidate | None:
    """The version to load now, or None if the best one is served already. Refused versions are not tried again."""
    for candidate in wanted:
        if candidate.version == serving:
            return None
        if candidate.version not in refused:
            return candidate
    return None
