"""artifacts/<artifact_id>/: the files of one model, and the manifest that is written last and names them all.

Owns hashes and completeness, not what is in the files (shared.model_files). A reader hashes the very bytes it hands
out, so what is verified is what is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from shared.errors import CorruptArtifactError, SchemaVersionError, StoreError
from shared.store.folder import FolderStore, KeyMissingError
from shared.store.records import Record

#: One HTML file for people; artifacts that were not trained have none.
REPORT_PAGE = "report/index.html"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Part):
    size: int
    sha256: str


class TaskEntry(_Part):
    """A head: labels in output order, the temperature that calibrates it, of multi-label tasks a threshold a label."""

    name: str
    kind: Literal["single_label", "multi_label"] = "single_label"
    labels: tuple[str, ...]
    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()

    @property
    def is_multi_label(self) -> bool:
        return self.kind == "multi_label"

    @model_validator(mode="after")
    def _threshold_for_each_label(self) -> Self:
        if len(self.thresholds) != (len(self.labels) if self.is_multi_label else 0):
            raise ValueError(
                f"task {self.name}, {self.kind}: {len(self.labels)} labels, {len(self.thresholds)} thresholds"
            )
        return self


class Probes(_Part):
    """Sentences with the outputs that the model gave when it was saved, in float32.

    A server runs them before it serves the model. `tolerances[engine]` bounds the absolute difference of normalised
    embeddings and of scores.
    """

    sentences: tuple[str, ...]
    #: Per task, what the columns of its scores mean.
    labels: dict[str, tuple[str, ...]]
    embeddings: tuple[tuple[float, ...], ...]
    scores: dict[str, tuple[tuple[float, ...], ...]]
    tolerances: dict[str, float]


class Manifest(Record):
    """Everything that is known of an artifact."""

    artifact_id: str
    files: dict[str, FileEntry]
    tasks: tuple[TaskEntry, ...]
    base_model: str
    #: Hash of the encoder's weights and tokenizer: embeddings compare only within one encoder_id.
    encoder_id: str
    dimensions: int
    max_tokens: int
    hyperparameters: dict[str, Any] = {}
    #: Per task: sha256 and rows of each file, rows dropped by reason.
    data: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    parent_version: int | None = None
    #: Where it comes from, for programs: see worker.training.lineage.
    lineage: dict[str, Any] = {}
    code_version: str
    probes: Probes


def write_artifact(store: FolderStore, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Write `files`, then the manifest with their hashes; return the manifest's sha256.

    Raises:
        StoreError: if the store cannot be written, or the artifact id was used before.
    """
    prefix = f"artifacts/{manifest.artifact_id}"
    for name, body in files.items():
        store.put(f"{prefix}/{name}", body)
    complete = manifest.model_copy(update={"files": {name: describe(body) for name, body in files.items()}})
    body = complete.to_bytes()
    if not store.create(f"{prefix}/manifest.json", body):
        raise StoreError(f"artifact {manifest.artifact_id} exists already")
    return sha256(body)


class ArtifactReader:
    """Reads one artifact. Blocking; every byte it hands out has the hash that the manifest names."""

    def __init__(self, store: FolderStore, artifact_id: str, manifest_sha256: str) -> None:
        """
        Raises:
            CorruptArtifactError: if the manifest is missing or is not the one that was published.
            SchemaVersionError: if a newer code wrote it.
        """
        self._store = store
        self._unread: set[str] = set()
        self._prefix = f"artifacts/{artifact_id}"
        key = f"{self._prefix}/manifest.json"
        body = self._get("manifest.json")
        if sha256(body) != manifest_sha256:
            raise CorruptArtifactError(f"{key} has sha256 {sha256(body)}, published was {manifest_sha256}")
        try:
            self.manifest = Manifest.from_bytes(body, key)
        except SchemaVersionError:
            raise
        except StoreError as error:
            raise CorruptArtifactError(str(error)) from None
        self._unread = set(self.manifest.files)

    def read(self, name: str) -> bytes:
        """
        Raises:
            CorruptArtifactError: if the file is missing, not in the manifest, or has another hash.
        """
        entry = self.manifest.files.get(name)
        if entry is None:
            raise CorruptArtifactError(f"{self._prefix}: the manifest names no file {name}")
        body = self._get(name)
        if len(body) != entry.size or sha256(body) != entry.sha256:
            raise CorruptArtifactError(
                f"{self._prefix}/{name} has {len(body)} bytes and sha256 {sha256(body)}; "
                f"the manifest says {entry.size} and {entry.sha256}"
            )
        self._unread.discard(name)
        return body

    def _get(self, name: str) -> bytes:
        key = f"{self._prefix}/{name}"
        try:
            return self._store.get(key)
        except KeyMissingError:
            raise CorruptArtifactError(f"{key} is missing") from None
        except StoreError as error:
            if self._store.path(key).is_dir():
                raise CorruptArtifactError(f"{key} is a folder, not a file") from error
            raise

    def verify_unread(self) -> None:
        """Read and hash every file that was not read yet: an artifact is whole, or it is not served.

        Raises:
            CorruptArtifactError: as `read`.
        """
        for name in sorted(self._unread):
            self.read(name)

    def read_json(self, name: str) -> Any:
        """
        Raises:
            CorruptArtifactError: as `read`, and if the file is not JSON.
        """
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise CorruptArtifactError(f"{self._prefix}/{name} is not JSON: {error}") from None


def describe(body: bytes) -> FileEntry:
    return FileEntry(size=len(body), sha256=sha256(body))


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
