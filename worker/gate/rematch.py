"""A rematch as the Celery side sees it: the gate runs again, in a child process, for a candidate judged against a
version that is not served any more.

Owns turns between workers (a lease) and what happens if the child cannot do it. Imports no torch. Blocking.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import UnavailableError
from worker.gate.verdict import Verdict, not_judged
from worker.supervision.child_answer import ChildAnswer, ask_child
from worker.supervision.lease import LeaseOffice, release_quietly
from worker.supervision.lease_keeper import LeaseKeeper
from worker.supervision.stop_signal import StopSignal

_log = structlog.get_logger(__name__)

REMATCH_COMMAND = (sys.executable, "-m", "worker.gate")
#: Failures of the child after which a candidate is kept unjudged: a machine short of memory gets a second chance.
MAX_FAILURES = 3


class RematchInput(BaseModel):
    """What the child process reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store_url: str
    job_id: str = ""
    data_roots: tuple[str, ...]
    threads: int
    device: str


class Rematch:
    """One for a process; used by one thread at a time."""

    def __init__(
        self, work: RematchInput, leases: LeaseOffice, stop: StopSignal, command: Sequence[str] = REMATCH_COMMAND
    ) -> None:
        """`work` is what all rematches have in common; `command` speaks as worker.gate.__main__ does."""
        self._work = work
        self._leases = leases
        self._stop = stop
        self._command = command
        self._failures: Counter[str] = Counter()

    def judge(self, job_id: str) -> Verdict | None:
        """The verdict against what is served now; None: not yet, since another worker is at it, it failed, or we stop.

        After MAX_FAILURES a candidate is `not judged` and not to be released: what it was once better than is not what
        it would replace.
        """
        lease = None
        try:
            lease = self._leases.take(f"gate-{job_id}")
            if lease is None:
                return None
        except UnavailableError as error:
            _log.warning("judging again without a lease", job_id=job_id, reason=str(error))
        try:
            with LeaseKeeper(lease) if lease else nullcontext():
                return self._ask(job_id)
        finally:
            if lease is not None:
                release_quietly(lease)

    def _ask(self, job_id: str) -> Verdict | None:
        _log.info("the served version has changed since the candidate was judged; judging again", job_id=job_id)
        question = self._work.model_copy(update={"job_id": job_id}).model_dump_json()
        try:
            said = ask_child(self._command, question, self._work.threads, self._stop)
        except OSError as error:
            said = ChildAnswer("", f"no process could be started: {error}")
        if said is None:
            return None
        try:
            return Verdict.model_validate_json(said.answer)
        except ValidationError:
            return self._failed(job_id, said.why)

    def _failed(self, job_id: str, why: str) -> Verdict | None:
        self._failures[job_id] += 1
        _log.warning("a candidate could not be judged again", job_id=job_id, reason=why, time=self._failures[job_id])
        if self._failures[job_id] < MAX_FAILURES:
            return None
        return not_judged(f"the served version has changed, and judging again failed: {why}", may_release=False)
