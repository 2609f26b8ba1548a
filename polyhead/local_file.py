"""A file of this machine as an upload: its hash, and its bytes as messages. Reads it twice, a chunk at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from polyhead.v1 import training_pb2

#: Well below gRPC's default message limit of 4 MiB, far above the cost of a message. Not tuned by measurement.
CHUNK_BYTES = 256 * 1024

#: Told of the bytes that are there, and of all.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """As it was when it was hashed; if it changes meanwhile, the server refuses what it gets."""

    path: Path
    sha256: str
    size_bytes: int

    def messages(self, offset: int, on_progress: OnProgress | None) -> Iterator[training_pb2.UploadDatasetRequest]:
        """The header, and the chunks from `offset` on."""
        yield training_pb2.UploadDatasetRequest(
            header=training_pb2.DatasetHeader(
                sha256=self.sha256, size_bytes=self.size_bytes, file_name=self.path.name, offset=offset
            )
        )
        with self.path.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(CHUNK_BYTES):
                yield training_pb2.UploadDatasetRequest(chunk=chunk)
                offset += len(chunk)
                if on_progress is not None:
                    on_progress(offset, self.size_bytes)


def hash_file(path: str | PathLike[str]) -> LocalFile:
    """
    Raises:
        OSError: if it cannot be read, or is a folder.
    """
    path = Path(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return LocalFile(path, digest.hexdigest(), file.tell())
