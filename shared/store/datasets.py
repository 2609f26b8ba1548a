"""datasets/<sha256>/: uploaded files, named by the hash of their content.

A file is cut into parts of one size, parts/0, parts/1, ..., each created once; the manifest is written last, after the
hash over all parts was found to be the name. So an upload that was cut goes on behind its last part, two uploads of one
file share their parts, and a reader who finds a manifest finds the file. Blocking. Thread-safe.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from shared.errors import (
    CorruptArtifactError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    UnavailableError,
    Violation,
)
from shared.store.folder import FolderStore, KeyMissingError
from shared.store.records import Record, create_record

#: Bytes of each part but the last: what is lost if an upload is cut within it. Not tuned by measurement.
PART_BYTES = 2**20
SHA256 = re.compile(r"[0-9a-f]{64}")


class DatasetRecord(Record):
    """datasets/<sha256>/manifest.json: the file is whole."""

    sha256: Annotated[str, Field(pattern=f"^{SHA256.pattern}$")]
    size: int
    #: The name it had where it was first uploaded from.
    file_name: str


class DatasetStore:
    """All uploaded files of a store."""

    def __init__(self, store: FolderStore, part_bytes: int = PART_BYTES) -> None:
        self._store = store
        self.part_bytes = part_bytes

    def find(self, sha256: str) -> DatasetRecord | None:
        """The record of a file that is whole; None for another, or none."""
        key = f"{_prefix(sha256)}/manifest.json"
        try:
            return DatasetRecord.from_bytes(self._store.get(key), key)
        except KeyMissingError:
            return None

    def num_parts(self, sha256: str) -> int:
        """Parts that are there without a gap from the first one on."""
        names = set(self._store.list(f"{_prefix(sha256)}/parts"))
        number = 0
        while str(number) in names:
            number += 1
        return number

    def received(self, sha256: str) -> int:
        """Bytes that are there without a gap from the beginning on."""
        record = self.find(sha256)
        if record is not None:
            return record.size
        last = self.num_parts(sha256) - 1
        return last * self.part_bytes + len(self._store.get(f"{_prefix(sha256)}/parts/{last}")) if last >= 0 else 0

    def put_part(self, sha256: str, number: int, body: bytes) -> None:
        """Write a part; one that is there stays as it is, and `finish` finds out if it is wrong.

        Raises:
            StoreError: if the store cannot be written.
        """
        self._store.create(f"{_prefix(sha256)}/parts/{number}", body)

    def finish(self, sha256: str, size: int, file_name: str) -> DatasetRecord:
        """Verify all parts and write the manifest. Doing it again, also at the same time, gives the same record.

        Raises:
            InvalidInputError: if the parts are not the file; they are removed, so that the next upload begins anew.
            UnavailableError: if parts are missing: another upload of this file found them to be wrong.
        """
        there = self.find(sha256)
        if there is not None:
            return there
        digest, found = hashlib.sha256(), 0
        for body in self._parts(sha256, size):
            digest.update(body)
            found += len(body)
        if (digest.hexdigest(), found) != (sha256, size):
            if self.find(sha256) is None:  # else another upload of the file has just succeeded
                self._store.remove(_prefix(sha256))
            problem = f"is not that of the {found} bytes that came: those have {digest.hexdigest()}"
            raise InvalidInputError(f"sha256 {sha256} {problem}", (Violation("header.sha256", problem),))
        record = DatasetRecord(sha256=sha256, size=size, file_name=file_name)
        create_record(self._store, f"{_prefix(sha256)}/manifest.json", record)
        return self.find(sha256) or record

    def read(self, sha256: str) -> bytes:
        """The file, with the hash that names it.

        Raises:
            NotFoundError: if it was never uploaded to its end, or removed.
            CorruptArtifactError: if it is not what was uploaded.
        """
        record = self.find(sha256)
        if record is None:
            raise NotFoundError(f"dataset:{sha256} is not in the store; upload it again")
        body = b"".join(self._parts(sha256, record.size))
        if hashlib.sha256(body).hexdigest() != sha256:
            raise CorruptArtifactError(f"dataset:{sha256} is damaged: its bytes have another hash; upload it again")
        return body

    def records(self) -> list[DatasetRecord]:
        """Files that are whole, oldest first."""
        found = (self.find(name) for name in self._store.list("datasets") if SHA256.fullmatch(name))
        return sorted((record for record in found if record), key=lambda record: (record.created_at, record.sha256))

    def remove(self, sha256: str) -> None:
        """Delete a file, or what came of it. Jobs that name it fail from then on.

        Raises:
            NotFoundError: if there is nothing.
            StoreError: if it cannot be deleted.
        """
        if not self._store.exists(_prefix(sha256)):
            raise NotFoundError(f"dataset:{sha256} is not in the store")
        self._store.remove(_prefix(sha256))

    def _parts(self, sha256: str, size: int) -> Iterator[bytes]:
        for number in range(-(-size // self.part_bytes)):
            try:
                yield self._store.get(f"{_prefix(sha256)}/parts/{number}")
            except KeyMissingError:
                raise UnavailableError(f"part {number} of dataset:{sha256} has gone; upload the file again") from None


def _prefix(sha256: str) -> str:
    if not SHA256.fullmatch(sha256):
        raise StoreError(f"not a sha256: {sha256[:80]!r}")
    return f"datasets/{sha256}"
