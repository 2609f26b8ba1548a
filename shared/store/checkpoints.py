"""jobs/<job_id>/checkpoints/<claim>-<step>-<run>/: states of a training that is not finished, manifest last.

Owns names, order, completeness and removal; what is in the files is worker.training.state. `run` is random, so an
attempt that was fenced off and goes on writing mixes its files with nobody's. Nobody deletes what a later claim wrote.
Blocking; used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import StoreError
from shared.store.artifacts import FileEntry, describe
from shared.store.folder import FolderStore
from shared.store.records import Record, new_id

#: The newest, and one before it in case the newest turns out to be damaged.
KEPT = 2
MANIFEST = "manifest.json"


class CheckpointManifest(Record):
    """Written last: a checkpoint without it is not complete."""

    #: What must be the same for a training to go on from here to the same end.
    fingerprint: dict[str, str]
    files: dict[str, FileEntry]


@dataclass(frozen=True, slots=True, order=True)
class CheckpointName:
    """Orders by claim, then step: the last in order is the newest."""

    claim: int
    step: int
    run: str

    def __str__(self) -> str:
        return f"{self.claim}-{self.step}-{self.run}"


class Checkpoints:
    """Those of one job."""

    def __init__(self, store: FolderStore, job_id: str) -> None:
        self._store = store
        self._prefix = f"jobs/{job_id}/checkpoints"
        self._run = new_id()

    def write(self, claim: int, step: int, fingerprint: dict[str, str], files: Iterable[tuple[str, bytes]]) -> None:
        """Write a checkpoint, then drop older ones. `files` may make one body at a time.

        Raises:
            StoreError: if the store cannot be written.
        """
        name = CheckpointName(claim, step, self._run)
        entries = {}
        for file, body in files:
            self._store.put(f"{self._prefix}/{name}/{file}", body)
            entries[file] = describe(body)
        manifest = CheckpointManifest(fingerprint=fingerprint, files=entries)
        self._store.create(f"{self._prefix}/{name}/{MANIFEST}", manifest.to_bytes())
        self._drop_older(claim)

    def newest_first(self) -> list[CheckpointName]:
        """All that are complete."""
        return [name for name in reversed(self._names()) if self._is_complete(name)]

    def manifest(self, name: CheckpointName) -> CheckpointManifest:
        """
        Raises:
            StoreError: if it cannot be read.
        """
        key = f"{self._prefix}/{name}/{MANIFEST}"
        return CheckpointManifest.from_bytes(self._store.get(key), key)

    def read(self, name: CheckpointName, manifest: CheckpointManifest) -> dict[str, bytes]:
        """All files of a checkpoint, each with the size and hash that the manifest names.

        Raises:
            StoreError: if one is missing or damaged.
        """
        bodies = {}
        for file, entry in manifest.files.items():
            body = self._store.get(f"{self._prefix}/{name}/{file}")
            if describe(body) != entry:
                raise StoreError(
                    f"{self._prefix}/{name}/{file} is damaged: it has not the hash that its manifest names"
                )
            bodies[file] = body
        return bodies

    def remove_all(self) -> None:
        """Delete every checkpoint: the job has its result.

        Raises:
            StoreError: if something cannot be deleted.
        """
        self._store.remove(self._prefix)

    def _drop_older(self, claim: int) -> None:
        """Keep the newest complete ones of this claim and earlier ones, and whatever later claims have."""
        own = [name for name in self._names() if name.claim <= claim]
        kept = [name for name in own if self._is_complete(name)][-KEPT:]
        for name in own:
            if name not in kept:
                self._store.remove(f"{self._prefix}/{name}")

    def _names(self) -> list[CheckpointName]:
        return sorted(name for name in map(_parse, self._store.list(self._prefix)) if name is not None)

    def _is_complete(self, name: CheckpointName) -> bool:
        return self._store.exists(f"{self._prefix}/{name}/{MANIFEST}")


def _parse(text: str) -> CheckpointName | None:
    claim, _, rest = text.partition("-")
    step, _, run = rest.partition("-")
    return CheckpointName(int(claim), int(step), run) if claim.isdecimal() and step.isdecimal() and run else None
