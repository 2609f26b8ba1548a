"""Deletes versions: a release marks one as deleted, then the files of its artifact go.

The mark comes first, so that a promotion that runs at the same time finds it and decides again. A kill in between
leaves files that nobody reads; the next deletion, of this version or of another, removes them. Blocking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import FailedPreconditionError, NotFoundError
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, deleted_versions, fallback_version, releases_log
from shared.store.versions import versions_log


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was done: the release that marks it (None: it was marked before), and artifacts whose files went."""

    release: int | None
    artifacts: tuple[str, ...]


def delete_version(store: FolderStore, version: int, why: str, by: str, force: bool = False) -> Deletion:
    """Idempotent. `force` deletes also the version that servers fall back to.

    Raises:
        NotFoundError: if there is no such version.
        FailedPreconditionError: if the newest release names it, or servers fall back to it.
        StoreError: if the store cannot be read or written; doing it again does what is left.
    """
    num_versions = len(versions_log(store).entries())
    if not 1 <= version <= num_versions:
        raise NotFoundError(f"there is no version {version}; the newest is {num_versions}")
    release = releases_log(store).append(lambda releases: _mark(releases, version, why, by, force))
    return Deletion(release, tuple(sweep(store)))


def sweep(store: FolderStore) -> list[str]:
    """Remove what is left of artifacts whose versions are all deleted; return their ids."""
    gone = deleted_versions(releases_log(store).entries())
    versions = list(enumerate(versions_log(store).entries(), 1))
    kept = {record.artifact_id for number, record in versions if number not in gone}
    ids = dict.fromkeys(record.artifact_id for number, record in versions if number in gone)
    removed = [
        artifact_id for artifact_id in ids if artifact_id not in kept and store.exists(f"artifacts/{artifact_id}")
    ]
    for artifact_id in removed:
        store.remove(f"artifacts/{artifact_id}")
    return removed


def _mark(releases: Sequence[ReleaseRecord], version: int, why: str, by: str, force: bool) -> ReleaseRecord | None:
    if version in deleted_versions(releases):
        return None
    if not releases:
        raise FailedPreconditionError("there is no release yet: a worker is about to release the newest version")
    newest = releases[-1]
    roles = [*(["stable"] if newest.stable == version else [])]
    roles += [f"alias {name}" for name, number in newest.aliases.items() if number == version]
    roles += ["canary"] if newest.canary and newest.canary.version == version else []
    if roles:
        raise FailedPreconditionError(
            f"version {version} is in use by release {len(releases)} ({', '.join(roles)}); "
            "give those to another version first"
        )
    if version == fallback_version(releases) and not force:
        raise FailedPreconditionError(
            f"version {version} was stable before version {newest.stable}: servers fall back to it if version "
            f"{newest.stable} cannot be loaded, and may be serving it now; --force deletes it all the same"
        )
    return ReleaseRecord(
        stable=newest.stable,
        aliases=newest.aliases,
        canary=newest.canary,
        hold=newest.hold,
        why=why or f"delete {version}",
        by=by,
        change=f"delete {version}",
        deleted=version,
    )
