"""Versions out of a store and into one. Blocking; several may run at once, beside servers and workers.

An import writes under an id that no other artifact has, and appends its version last: killed in between, it is run
again. It releases nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.errors import FailedPreconditionError, InvalidInputError, NotFoundError
from shared.store.artifacts import ArtifactReader, Manifest, sha256
from shared.store.folder import FolderStore
from shared.store.records import new_id
from shared.store.releases import deleted_versions, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.publishing.archive import MANIFEST, Archive, write_archive
from worker.publishing.publisher import is_settled, number_of


@dataclass(frozen=True, slots=True)
class Imported:
    """The version that the file became, or was already."""

    version: int
    manifest: Manifest
    is_new: bool


def export_version(store: FolderStore, version: int, target: Path, overwrite: bool) -> Manifest:
    """Write the version's artifact into one file, whole or not at all.

    Raises:
        NotFoundError: if there is no such version.
        FailedPreconditionError: if it was deleted.
        InvalidInputError: if `target` exists and may not be overwritten, or cannot be written.
        CorruptArtifactError: if the artifact is not whole.
    """
    versions = versions_log(store).entries()
    if not 1 <= version <= len(versions):
        raise NotFoundError(f"there is no version {version}; the newest is {len(versions)}")
    if version in deleted_versions(releases_log(store).entries()):
        raise FailedPreconditionError(f"version {version} was deleted")
    if target.exists() and not overwrite:
        raise InvalidInputError(f"{target} exists; use --force to overwrite it")
    record = versions[version - 1]
    artifact = ArtifactReader(store, record.artifact_id, record.manifest_sha256)
    body = store.get(f"artifacts/{record.artifact_id}/{MANIFEST}")
    write_archive(target, body, ((name, artifact.read(name)) for name in artifact.manifest.files))
    return artifact.manifest


def import_version(store: FolderStore, source: Path) -> Imported:
    """Verify the file whole, then write its artifact and append a version. The same file again is the same version.

    Raises:
        InvalidInputError: if the file cannot be read.
        CorruptArtifactError: if it is not whole, or not what it says.
        SchemaVersionError: if a newer code wrote it.
        StoreError: if the store cannot be written.
    """
    try:
        with open(source, "rb") as file:
            archive = Archive(file, str(source))
            for _ in archive.files():
                pass  # reading verifies: nothing is written of a file that is not whole
            return _write(store, archive)
    except OSError as error:
        raise InvalidInputError(f"cannot read {source}: {error.strerror}") from error


def _write(store: FolderStore, archive: Archive) -> Imported:
    manifest, body = archive.manifest, archive.manifest_body
    if existing := _live_version(store, manifest.artifact_id, sha256(body)):
        return Imported(existing, manifest, is_new=False)
    if _is_taken(store, manifest.artifact_id, sha256(body)):
        manifest = manifest.model_copy(update={"artifact_id": f"{manifest.artifact_id[:180]}.{new_id()}"})
        body = manifest.to_bytes()
    prefix = f"artifacts/{manifest.artifact_id}"
    for name, content in archive.files():
        store.put(f"{prefix}/{name}", content)
    store.create(f"{prefix}/{MANIFEST}", body)
    ArtifactReader(store, manifest.artifact_id, sha256(body)).verify_unread()
    record = VersionRecord(
        artifact_id=manifest.artifact_id,
        manifest_sha256=sha256(body),
        job_id=f"import-{manifest.artifact_id}",
        metrics=manifest.metrics,
    )
    versions = versions_log(store)
    number = versions.append(lambda entries: None if is_settled(entries, record.job_id) else record)
    return Imported(number or number_of(versions.entries(), record.job_id), manifest, is_new=number is not None)


def _live_version(store: FolderStore, artifact_id: str, manifest_sha256: str) -> int | None:
    """The newest version of this very artifact that was not deleted."""
    gone = deleted_versions(releases_log(store).entries())
    for number, record in reversed(list(enumerate(versions_log(store).entries(), 1))):
        if (record.artifact_id, record.manifest_sha256) == (artifact_id, manifest_sha256) and number not in gone:
            return number
    return None


def _is_taken(store: FolderStore, artifact_id: str, manifest_sha256: str) -> bool:
    """A deleted version may still lose its files under this id, or another artifact has it."""
    if any(record.artifact_id == artifact_id for record in versions_log(store).entries()):
        return True
    key = f"artifacts/{artifact_id}/{MANIFEST}"
    return store.exists(key) and sha256(store.get(key)) != manifest_sha256
