"""versions/<n>.json: the dense log of model versions. A version is an artifact with a number and a parent."""

from __future__ import annotations

from typing import Any

from shared.store.folder import FolderStore
from shared.store.log import DenseLog
from shared.store.records import Record


class VersionRecord(Record):
    """Version n is entry n of the log."""

    artifact_id: str
    manifest_sha256: str
    #: The version it was trained from; None for the base encoder.
    parent: int | None = None
    #: The job that made it, or `base`.
    job_id: str
    #: metrics[task][name], as in the manifest.
    metrics: dict[str, Any] = {}
    #: First verdict of the gate.
    verdict: str = "not judged"


def versions_log(store: FolderStore) -> DenseLog[VersionRecord]:
    return DenseLog(store, "versions", VersionRecord)
