"""Roll-forward: whatever a result still lacks to be published, version and release, is appended exactly once.

Owns the contents of versions/ and releases/ that a finished job leads to. Any worker may call it at any time, also
several at once: entries carry their job's id, and a writer that finds the id among the lower entries stops
(docs/decisions/0002). Which release it becomes is worker.publishing.releasing. Called by the supervisor after a
result, and by the caretaker. Blocking, as long as a gate takes that must run again. Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.gate.verdict import Verdict, verdict_of
from worker.job_ledger import JobLedger
from worker.publishing.releasing import Candidate, needs_rematch, next_release

_log = structlog.get_logger(__name__)


class Publisher:
    """Brings every succeeded result forward to its version and its release."""

    def __init__(self, store: FolderStore, ledger: JobLedger, rematch: Callable[[str], Verdict | None]) -> None:
        """`rematch` judges a job's candidate against what is served now; None: not yet, it is asked again later."""
        self._ledger = ledger
        self._jobs = JobStore(store)
        self._versions = versions_log(store)
        self._releases = releases_log(store)
        self._rematch = rematch
        self._lock = threading.Lock()

    def roll_forward(self) -> None:
        """Publish what is missing, in the order in which the results came; a job whose gate cannot run now waits.

        Raises:
            StoreError: if the store cannot be read or written; what is missing then is appended by the next call.
        """
        with self._lock:
            self._ledger.settle(entry.job_id for entry in self._releases.entries() if entry.job_id)
            for job_id, result in self._ledger.succeeded():
                verdict = verdict_of(result.report)
                version = self._append_version(job_id, result, verdict)
                if self._append_release(job_id, version, verdict):
                    self._ledger.settle([job_id])

    def _append_version(self, job_id: str, result: JobEntry, verdict: Verdict | None) -> int:
        record = VersionRecord(
            artifact_id=result.artifact_id,
            manifest_sha256=result.manifest_sha256,
            parent=self._jobs.get(job_id).accepted.spec.base.version or None,
            job_id=job_id,
            metrics=result.metrics,
            **({"verdict": str(verdict)} if verdict else {}),
        )
        number = self._versions.append(lambda entries: None if is_settled(entries, job_id) else record)
        if number is not None:
            _log.info("version appended", job_id=job_id, version=number, artifact_id=result.artifact_id)
            return number
        return number_of(self._versions.entries(), job_id)

    def _append_release(self, job_id: str, version: int, verdict: Verdict | None) -> bool:
        """False if something must come first that is not there yet: a rematch, or a first release."""
        is_auto = self._jobs.get(job_id).accepted.spec.publish.release == "auto"
        candidate = Candidate(job_id, version, verdict, is_auto)

        def decide(entries: Sequence[ReleaseRecord]) -> ReleaseRecord | None:
            if is_settled(entries, job_id) or needs_rematch(entries, candidate):
                return None
            return next_release(entries, candidate)

        while True:
            number = self._releases.append(decide)
            if number is not None:
                release = self._releases.entries()[number - 1]
                _log.info("release appended", job_id=job_id, release=number, stable=release.stable, why=release.why)
                if candidate.verdict and candidate.verdict.unjudged and release.stable == version:
                    _warn_of_unjudged(job_id, version, candidate.verdict)
                return True
            entries = self._releases.entries()
            if is_settled(entries, job_id):
                return True
            if not needs_rematch(entries, candidate):
                return False
            again = self._rematch(job_id)
            if again is None:
                return False
            candidate = replace(candidate, verdict=again)


def _warn_of_unjudged(job_id: str, version: int, verdict: Verdict) -> None:
    _log.warning(
        "released without a comparison in tasks that the served version had too; gate.unjudged hold would keep it",
        job_id=job_id,
        version=version,
        tasks=verdict.unjudged,
    )


def is_settled(entries: Sequence[VersionRecord] | Sequence[ReleaseRecord], job_id: str) -> bool:
    return any(entry.job_id == job_id for entry in entries)


def number_of(versions: Sequence[VersionRecord], job_id: str) -> int:
    """The number of the version that a job made; it must be there."""
    return next(number for number, entry in enumerate(versions, 1) if entry.job_id == job_id)
