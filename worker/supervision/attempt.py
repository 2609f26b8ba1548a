"""One attempt: runs the trainer and listens to it until it has ended or must.

Owns the trainer's life under one claim, and the reasons to end it early: the job is cancelled, the worker stops, the
lease is lost, somebody wrote a higher entry into the job's log. Writes nothing to the store. Runs in the supervising
thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from shared.errors import StoreError
from shared.progress import JobProgress, ProgressBoard
from worker.supervision.child_process import ChildProcess, Stream, child_environment
from worker.supervision.lease import Lease
from worker.supervision.lease_keeper import LeaseKeeper
from worker.supervision.stop_signal import StopSignal
from worker.training.protocol import Failure, Progress, Result, TrainerInput, parse_event

_log = structlog.get_logger(__name__)

TRAINER_DIED = "TRAINER_DIED"
TRAINER_NOT_STARTED = "TRAINER_NOT_STARTED"
#: Longest wait for output before the other reasons to act are looked at.
_TICK_S = 0.25
#: Pause between two looks into the job's log.
_LOG_CHECK_S = 1.0
#: A trainer that has said its last word gets so long to leave.
_FAREWELL_S = 5.0
#: Last lines of stderr that go into the record of a trainer that died.
_KEPT_LINES = 5


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The attempt ended without an outcome of its own: nothing is written, another attempt continues."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The attempt was ended because somebody cancelled the job."""


Outcome = Result | Failure | Abandoned | Cancelled


class Attempt:
    """Runs once."""

    def __init__(
        self,
        work: TrainerInput,
        lease: Lease,
        board: ProgressBoard,
        is_outrun: Callable[[], bool],
        is_cancelled: Callable[[], bool],
        stop: StopSignal,
    ) -> None:
        """`is_outrun`: the log has gone beyond this attempt's claim. `is_cancelled`: somebody cancelled the job."""
        self._work = work
        self._lease = lease
        self._board = board
        self._is_outrun = is_outrun
        self._is_cancelled = is_cancelled
        self._stop = stop
        self._log = _log.bind(job_id=work.job_id, claim=work.claim)
        self._progress: Progress | None = None
        self._told: Progress | None = None
        self._outcome: Result | Failure | None = None
        self._last_words: deque[str] = deque(maxlen=_KEPT_LINES)
        self._next_log_check_at = 0.0

    def run(self, command: Sequence[str]) -> Outcome:
        """Start `command`, listen to its end, leave no process behind."""
        keeper = LeaseKeeper(self._lease, self._tell_progress)
        environment = child_environment(self._work.threads)
        with ExitStack() as running:
            try:
                running.enter_context(keeper)
                child = running.enter_context(ChildProcess(command, self._work.to_json_line(), environment, self._stop))
            except (OSError, RuntimeError) as error:  # RuntimeError: no thread to be had
                message = f"the trainer could not be started: {error}; this worker's machine lacks something"
                return Failure(code=TRAINER_NOT_STARTED, message=message, retryable=True)
            return self._listen(child, keeper)

    def _listen(self, child: ChildProcess, keeper: LeaseKeeper) -> Outcome:
        self._log.info("trainer started", pid=child.pid, threads=self._work.threads)
        while self._outcome is None and child.is_running():
            if self._is_cancelled():
                self._log.info("trainer is stopped", reason="the job was cancelled")
                return Cancelled()
            reason = self._reason_to_end(keeper)
            if reason:
                self._log.warning("trainer is stopped", reason=reason)
                return Abandoned(reason)
            for stream, line in child.lines(_TICK_S):
                self._hear(stream, line)
        if self._outcome is not None:
            child.wait(_FAREWELL_S)
        for stream, line in child.remaining_lines():
            self._hear(stream, line)
        return self._outcome or self._death(child.describe_end())

    def _reason_to_end(self, keeper: LeaseKeeper) -> str:
        if self._stop.is_requested:
            return "the worker is stopping"
        if keeper.lost:
            return keeper.lost
        if time.monotonic() >= self._next_log_check_at:
            self._next_log_check_at = time.monotonic() + _LOG_CHECK_S
            try:
                if self._is_outrun():
                    return "the job's log has a higher entry"
            except StoreError as error:
                self._log.warning("the job's log cannot be read", reason=str(error))
        return ""

    def _hear(self, stream: Stream, line: str) -> None:
        if not line.strip():
            return
        if stream == "stderr":
            self._last_words.append(line)
            self._log.info("trainer says", line=line)
            return
        try:
            event = parse_event(line)
        except ValueError:
            self._last_words.append(line)
            self._log.warning("trainer printed something that is no message", line=line[:500])
            return
        if isinstance(event, Progress):
            self._progress = event
        else:
            self._outcome = event

    def _tell_progress(self) -> None:
        """Called by the lease keeper's thread. Assigning and reading an attribute is atomic."""
        progress = self._progress
        if progress is not None and progress is not self._told:
            fields = progress.model_dump(exclude={"event"})
            self._board.write(self._work.job_id, JobProgress(claim=self._work.claim, **fields))
            self._told = progress

    def _death(self, end: str) -> Failure:
        words = " / ".join(self._last_words)
        hint = " (often: out of memory)" if end.endswith("SIGKILL") else ""
        message = f"the trainer ended without a result: {end}{hint}" + (f"; its last words: {words}" if words else "")
        return Failure(code=TRAINER_DIED, message=message, retryable=True)
