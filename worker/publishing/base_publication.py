"""First start: while there is no release, the base encoder without heads becomes version and release `base`.

Owns a thread that ends when a release exists. The artifact is made in a child process (worker.publishing.__main__),
since torch never enters this one. Workers that start together take turns by a lease; the logs decide, as for a job.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext

import structlog
from pydantic import BaseModel, ValidationError

from shared.errors import BaseModelError, PolyheadError, UnavailableError
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.publishing.publisher import is_settled, number_of
from worker.publishing.releasing import WORKER
from worker.supervision.child_answer import ask_child
from worker.supervision.lease import Lease, LeaseOffice, release_quietly
from worker.supervision.lease_keeper import LeaseKeeper
from worker.supervision.stop_signal import StopSignal

_log = structlog.get_logger(__name__)

#: The fixed id under which versions/ and releases/ know it.
BASE_ID = "base"
#: Seconds until the next attempt after a failure, at first and at most: each attempt loads torch.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 120.0
#: Seconds between two looks while another worker makes the artifact.
_TURN_S = 1.0


class MadeArtifact(BaseModel, frozen=True):
    """What the child prints when the artifact is complete."""

    artifact_id: str
    manifest_sha256: str


def base_artifact_command(store_url: str, base_model: str) -> list[str]:
    return [sys.executable, "-m", "worker.publishing", "base", "--store-url", store_url, "--base-model", base_model]


class BasePublication:
    """Idle until `start`; ends by itself, or within seconds of a stop."""

    def __init__(
        self, store: FolderStore, offices: LeaseOffice, command: Sequence[str], num_threads: int, stop: StopSignal
    ) -> None:
        """`command` prints one MadeArtifact; its last line on stderr says why it failed."""
        self._versions = versions_log(store)
        self._releases = releases_log(store)
        self._offices = offices
        self._command = command
        self._num_threads = num_threads
        self._stop = stop
        self._thread = threading.Thread(target=self.run, name="base-publication", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def run(self) -> None:
        """Try until a release exists or the worker stops."""
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_requested:
            try:
                if self.publish():
                    return
                self._stop.wait(_TURN_S)
            except PolyheadError as error:
                _log.error("the base encoder is not published yet", reason=str(error), next_attempt_in_s=pause_s)
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def publish(self) -> bool:
        """One step towards it; True when a release exists, False if another worker is at it or this one stops.

        Raises:
            StoreError: if the store cannot be read or written.
            BaseModelError: if the child could not make the artifact.
        """
        if self._releases.entries():
            return True
        if not is_settled(self._versions.entries(), BASE_ID):
            made = self._make_in_turn()
            if made is None or self._releases.entries():  # a job may have come out meanwhile
                return made is not None
            record = VersionRecord(artifact_id=made.artifact_id, manifest_sha256=made.manifest_sha256, job_id=BASE_ID)
            self._versions.append(lambda entries: None if is_settled(entries, BASE_ID) else record)
        version = number_of(self._versions.entries(), BASE_ID)
        release = ReleaseRecord(
            stable=version,
            aliases={"latest": version},
            why="first start: the base encoder without heads",
            by=WORKER,
            job_id=BASE_ID,
        )
        if self._releases.append(lambda entries: None if entries else release):
            _log.info("base encoder published", version=version)
        return True

    def _make_in_turn(self) -> MadeArtifact | None:
        """Make the artifact while holding the lease; without Redis make it all the same, the logs decide."""
        try:
            lease = self._offices.take(BASE_ID)
        except UnavailableError as error:
            _log.warning("making the base encoder's artifact without a lease", reason=str(error))
            return self._make(None)
        if lease is None:
            return None
        try:
            return self._make(lease)
        finally:
            release_quietly(lease)

    def _make(self, lease: Lease | None) -> MadeArtifact | None:
        _log.info("making the base encoder's artifact; this takes some seconds, or a download")
        keeper = LeaseKeeper(lease) if lease else nullcontext()
        with keeper:
            said = ask_child(self._command, "", self._num_threads, self._stop)
        if said is None:
            return None
        try:
            return MadeArtifact.model_validate_json(said.answer)
        except ValidationError:
            raise BaseModelError(said.why) from None
