"""Roll-forward: whatever a result still lacks to be published, version and release, is appended exactly once.

Owns the contents of versions/ and releases/ that a finished job leads to. Any worker may call it at any time, also
several at once: entries carry their job's id, and a writer that finds the id among the lower entries stops
(docs/decisions/0002). Called by the supervisor after a result, and by the caretaker. Blocking. Thread-safe.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.job_ledger import JobLedger

_log = structlog.get_logger(__name__)

WORKER = "worker"


class Publisher:
    """Brings every succeeded result forward to its version and its release."""

    def __init__(self, store: FolderStore, ledger: JobLedger) -> None:
        self._ledger = ledger
        self._versions = versions_log(store)
        self._releases = releases_log(store)

    def roll_forward(self) -> None:
        """Publish what is missing, in the order in which the results came.

        Raises:
            StoreError: if the store cannot be read or written; what is missing then is appended by the next call.
        """
        self._ledger.settle(entry.job_id for entry in self._releases.entries() if entry.job_id)
        for job_id, result in self._ledger.succeeded():
            version = self._append_version(job_id, result)
            self._append_release(job_id, version)
            self._ledger.settle([job_id])

    def _append_version(self, job_id: str, result: JobEntry) -> int:
        record = VersionRecord(
            artifact_id=result.artifact_id,
            manifest_sha256=result.manifest_sha256,
            job_id=job_id,
            metrics=result.metrics,
        )
        number = self._versions.append(lambda entries: None if is_settled(entries, job_id) else record)
        if number is not None:
            _log.info("version appended", job_id=job_id, version=number, artifact_id=result.artifact_id)
            return number
        return number_of(self._versions.entries(), job_id)

    def _append_release(self, job_id: str, version: int) -> None:
        number = self._releases.append(
            lambda entries: None if is_settled(entries, job_id) else next_release(entries, job_id, version)
        )
        if number is not None:
            _log.info("release appended", job_id=job_id, version=version, release=number)


def next_release(entries: Sequence[ReleaseRecord], job_id: str, version: int) -> ReleaseRecord:
    """The routing table after a job's version came out: it is released, unless automatic releases wait."""
    if not entries:
        return ReleaseRecord(
            stable=version, aliases={"latest": version}, why=f"job {job_id} finished", by=WORKER, job_id=job_id
        )
    newest = entries[-1]
    if newest.hold:
        return ReleaseRecord(
            stable=newest.stable,
            aliases=newest.aliases,
            canary=newest.canary,
            hold=True,
            why=f"job {job_id} finished while automatic releases are on hold: version {version} is kept, not released",
            by=WORKER,
            job_id=job_id,
            verdict="held",
            judged_against=len(entries),
        )
    return ReleaseRecord(
        stable=version,
        aliases={**newest.aliases, "latest": version},
        canary=newest.canary,
        why=f"job {job_id} finished",
        by=WORKER,
        job_id=job_id,
        judged_against=len(entries),
    )


def is_settled(entries: Sequence[VersionRecord] | Sequence[ReleaseRecord], job_id: str) -> bool:
    return any(entry.job_id == job_id for entry in entries)


def number_of(versions: Sequence[VersionRecord], job_id: str) -> int:
    """The number of the version that a job made; it must be there."""
    return next(number for number, entry in enumerate(versions, 1) if entry.job_id == job_id)
