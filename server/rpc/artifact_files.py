"""What is told of a version beyond its record: lineage and report page, from its artifact. Blocking."""

from __future__ import annotations

import structlog

from polyhead.specs import to_struct
from polyhead.v1 import models_pb2
from shared.errors import FailedPreconditionError, StoreError
from shared.store.artifacts import REPORT_PAGE, ArtifactReader
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord

log = structlog.get_logger(__name__)


def with_lineage_blocking(message: models_pb2.Version, store: FolderStore, record: VersionRecord) -> models_pb2.Version:
    """Fill in the lineage, if the artifact can be read: the version's record is worth telling without it."""
    try:
        manifest = ArtifactReader(store, record.artifact_id, record.manifest_sha256).manifest
    except StoreError as error:
        log.warning("a version is told without its lineage", version=message.number, reason=str(error))
        return message
    message.lineage.CopyFrom(to_struct(manifest.lineage))
    return message


def report_blocking(store: FolderStore, number: int, record: VersionRecord) -> models_pb2.Report:
    """
    Raises:
        FailedPreconditionError: if the version has none.
        StoreError: if it cannot be read, or is damaged.
    """
    artifact = ArtifactReader(store, record.artifact_id, record.manifest_sha256)
    if REPORT_PAGE not in artifact.manifest.files:
        raise FailedPreconditionError(f"version {number} has no report: it was not trained, or by an older worker")
    return models_pb2.Report(version=number, html=artifact.read(REPORT_PAGE))
