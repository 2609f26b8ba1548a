"""An artifact as one file: a plain tar with the manifest first, then every file that it names. Blocking.

    polyhead.json     what this is, and the manifest's sha256
    manifest.json     as published: names every file with its size and sha256
    files/<name>      in the manifest's order

Every byte is verified when it is read. A tar's own paths are never used as paths: a member counts only if the
manifest has its name.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from shared.errors import CorruptArtifactError, InvalidInputError, SchemaVersionError, StoreError
from shared.store.artifacts import Manifest, describe, sha256
from shared.store.folder import FolderStore

MANIFEST = "manifest.json"
_LABEL = "polyhead.json"
_FILES = "files/"
_FORMAT = "polyhead-artifact"
_SCHEMA = 1
#: Of the two members that are read before anything is known of their sizes.
_MAX_HEAD_BYTES = 64 * 2**20
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def write_archive(target: Path, manifest_body: bytes, files: Iterable[tuple[str, bytes]]) -> None:
    """Write `target` whole or not at all.

    Raises:
        InvalidInputError: if it cannot be written.
    """
    label = {"format": _FORMAT, "schema": _SCHEMA, "manifest_sha256": sha256(manifest_body)}
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        try:
            with open(temporary, "xb") as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                    _add(tar, _LABEL, json.dumps(label, indent=1).encode() + b"\n")
                    _add(tar, MANIFEST, manifest_body)
                    for name, body in files:
                        _add(tar, _FILES + name, body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {target}: {error.strerror}") from error


class Archive:
    """Reads one file; `manifest` is verified on construction, each file as it comes. Not thread-safe."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        """
        Raises:
            CorruptArtifactError: if this is no such archive, or not what it says.
            SchemaVersionError: if a newer code wrote it.
        """
        self._file = file
        self._name = name
        self.manifest_body = b""
        with self._open() as tar:
            self.manifest = self._read_head(tar)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file of the manifest with its verified bytes.

        Raises:
            CorruptArtifactError: if one is missing, cut, changed, or not in the manifest.
        """
        entries = self.manifest.files
        missing = set(entries)
        with self._open() as tar:
            self._read_head(tar)
            while (member := self._next(tar)) is not None:
                name = member.name.removeprefix(_FILES)
                if not member.name.startswith(_FILES) or name not in missing or not member.isfile():
                    raise self._corrupt(f"{member.name!r} is not in its manifest, or there twice, or no plain file")
                if member.size != entries[name].size:
                    raise self._corrupt(f"{name} has {member.size} bytes; the manifest says {entries[name].size}")
                body = self._read(tar, member)
                if describe(body) != entries[name]:
                    raise self._corrupt(f"{name} has sha256 {sha256(body)}; the manifest says {entries[name].sha256}")
                missing.discard(name)
                yield name, body
        if missing:
            raise self._corrupt(f"it lacks {', '.join(sorted(missing))}")

    def _read_head(self, tar: tarfile.TarFile) -> Manifest:
        label: Any = self._read_json(self._read_named(tar, _LABEL))
        if not isinstance(label, dict) or label.get("format") != _FORMAT:
            raise self._corrupt(f"it is no {_FORMAT}")
        if label.get("schema") != _SCHEMA:
            raise SchemaVersionError(f"{self._name} has schema {label.get('schema')!r}; this code knows {_SCHEMA}")
        body = self._read_named(tar, MANIFEST)
        if sha256(body) != label.get("manifest_sha256"):
            raise self._corrupt(f"its manifest has sha256 {sha256(body)}; it says {label.get('manifest_sha256')}")
        self.manifest_body = body
        try:
            manifest = Manifest.from_bytes(body, f"{self._name}: {MANIFEST}")
            store = FolderStore(Path("/"))  # knows which names would leave a store
            for name in manifest.files:
                store.path(f"artifacts/{manifest.artifact_id}/{name}")
        except SchemaVersionError:
            raise
        except StoreError as error:
            raise self._corrupt(str(error)) from None
        if not _SAFE_ID.fullmatch(manifest.artifact_id) or MANIFEST in manifest.files:
            raise self._corrupt(f"its manifest has names that no artifact has (id {manifest.artifact_id!r})")
        return manifest

    def _read_named(self, tar: tarfile.TarFile, name: str) -> bytes:
        member = self._next(tar)
        if member is None or member.name != name or not member.isfile() or member.size > _MAX_HEAD_BYTES:
            raise self._corrupt(f"it does not begin with {_LABEL} and {MANIFEST}")
        return self._read(tar, member)

    def _read_json(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise self._corrupt(f"its {_LABEL} is not JSON") from None

    def _open(self) -> tarfile.TarFile:
        self._file.seek(0)
        try:
            return tarfile.open(fileobj=self._file, mode="r:")
        except tarfile.TarError as error:
            raise self._corrupt(f"it is no tar file: {error}") from None

    def _next(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        try:
            return tar.next()
        except tarfile.TarError as error:
            raise self._corrupt(str(error)) from None

    def _read(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        try:
            file = tar.extractfile(member)
            body = file.read() if file else b""
        except (tarfile.TarError, OSError) as error:
            raise self._corrupt(f"{member.name}: {error}") from None
        return body

    def _corrupt(self, what: str) -> CorruptArtifactError:
        return CorruptArtifactError(f"{self._name} cannot be imported: {what}")


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    # Times and owners stay at 0: the same artifact gives the same file.
    member = tarfile.TarInfo(name)
    member.size = len(body)
    tar.addfile(member, io.BytesIO(body))
