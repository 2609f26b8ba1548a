"""A catalogue entry's files to a folder: from a mirror if it has them, else from their public address.

Owns order of sources, checksums, archives and the record `fetched.json`. HTTP is in downloads. Blocking.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from shared.errors import DataError
from worker.data.catalogue import CatalogueFile, Dataset
from worker.data.downloads import Downloader, OnBytes, discard

RECORD = "fetched.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One file that is now there. `verified`: its checksum is the one in the catalogue."""

    dataset: str
    path: str
    source: str
    sha256: str
    size: int
    verified: bool
    action: Literal["already there", "copied from the mirror", "downloaded"]


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches into `target`. `on_file` is told each file's name and gives the callback for its bytes."""

    target: Path
    mirror: Path | None
    downloader: Downloader
    on_file: Callable[[str], OnBytes]

    def fetch(self, dataset: Dataset, *, force: bool = False) -> list[FetchedFile]:
        """Make all files of `dataset` present and recorded.

        Raises:
            DataError: if a checksum is wrong, or there is no source (the message says where to log in).
            DownloadError: if a download fails.
        """
        fetched = []
        for file in dataset.files:
            one = self._fetch_file(dataset, file, force=force)
            self._record(one)
            fetched.append(one)
        return fetched

    def _fetch_file(self, dataset: Dataset, file: CatalogueFile, *, force: bool) -> FetchedFile:
        name = f"{dataset.folder}/{file.path}"
        final = self.target / name
        part = final.with_name(final.name + ".part")
        on_bytes = self.on_file(name)
        if final.is_file() and not force:
            observed = _hash(final, on_bytes)
            if observed == (file.sha256 or observed):
                return self._done(dataset, file, observed, "as it was", "already there")
        if self.mirror is not None and (self.mirror / name).is_file():
            discard(part)
            _copy(self.mirror / name, part, on_bytes)
            source, action = "mirror", "copied from the mirror"
        else:
            source, action = self._download(dataset, file, part, on_bytes), "downloaded"
        observed = _hash(part)
        if file.sha256 and observed != file.sha256:
            discard(part)
            raise DataError(
                f"{name} from {source}: wrong checksum, so it was deleted: "
                f"expected sha256 {file.sha256}, got {observed}; the file was damaged or its source has changed"
            )
        os.replace(part, final)
        return self._done(dataset, file, observed, source, action)  # type: ignore[arg-type]

    def _download(self, dataset: Dataset, file: CatalogueFile, part: Path, on_bytes: OnBytes) -> str:
        url = dataset.url_of(file)
        if url is None:
            raise DataError(_no_source(dataset, file, self.target, self.mirror))
        if file.member is None:
            self.downloader.download(url, part, on_bytes)
            return url
        archive = part.with_name(part.name + ".archive")
        self.downloader.download(url, archive, on_bytes)
        try:
            _extract(archive, file.member, part)
        except (tarfile.TarError, KeyError, EOFError, OSError) as error:
            raise DataError(f"{url}: {file.member!r} cannot be taken out of the archive: {error}") from None
        finally:
            discard(archive)
        return f"{url} ({file.member})"

    def _done(
        self,
        dataset: Dataset,
        file: CatalogueFile,
        observed: str,
        source: str,
        action: Literal["already there", "copied from the mirror", "downloaded"],
    ) -> FetchedFile:
        path = f"{dataset.folder}/{file.path}"
        size = (self.target / path).stat().st_size
        return FetchedFile(dataset.name, path, source, observed, size, bool(file.sha256), action)

    def _record(self, fetched: FetchedFile) -> None:
        """Note what was seen; a file that was there already and is noted keeps its entry."""
        record = read_record(self.target)
        before = record.get(fetched.path)
        if before and fetched.action == "already there" and before["sha256"] == fetched.sha256:
            return
        entry = asdict(fetched)
        del entry["path"], entry["action"]
        record[fetched.path] = {**entry, "fetched_at": datetime.now(UTC).isoformat(timespec="seconds")}
        target = self.target / RECORD
        temporary = target.with_name(f"{RECORD}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(temporary, target)


def read_record(target: Path) -> dict[str, Any]:
    """What `fetch` noted about the files below `target`, by path.

    Raises:
        DataError: if the record is damaged.
    """
    path = target / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; delete it and fetch again") from None
    if not isinstance(record, dict):
        raise DataError(f"{path} is not a record of fetched files; delete it and fetch again")
    return record


def _copy(source: Path, part: Path, on_bytes: OnBytes) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    total, done = source.stat().st_size, 0
    with source.open("rb") as reader, part.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            done += len(chunk)
            on_bytes(done, total)


def _hash(path: Path, on_bytes: OnBytes | None = None) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if on_bytes:
        size = path.stat().st_size
        on_bytes(size, size)
    return digest


def _extract(archive: Path, member: str, part: Path) -> None:
    with tarfile.open(archive) as tar:
        reader = tar.extractfile(member)
        if reader is None:
            raise KeyError(f"{member} is not a file")
        with reader, part.open("wb") as writer:
            while chunk := reader.read(_CHUNK_BYTES):
                writer.write(chunk)


def _no_source(dataset: Dataset, file: CatalogueFile, target: Path, mirror: Path | None) -> str:
    place = f"{dataset.folder}/{file.path}"
    looked = "the mirror does not have it" if mirror else "no mirror is named (--mirror or DATA_MIRROR)"
    if dataset.login:
        return (
            f"{dataset.name}: {file.path} needs a login: get it from {dataset.page}, "
            f"put it to {target / place}, and run this command again; {looked}"
        )
    return f"{dataset.name}: {file.path} has no public address of its own and comes from a mirror folder only; {looked}"
