"""Saves a training's state while it runs, and finds the state that an interrupted one left.

Owns when, and what may be resumed. Called by the trainer's main thread between two steps; files are hashed and written
by a thread of its own, one checkpoint at a time, so training waits only for a copy in memory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from shared.errors import StoreError
from shared.spec import CheckpointSpec
from shared.store.checkpoints import Checkpoints
from worker.training.fingerprint import difference
from worker.training.snapshot import Snapshot


class CheckpointKeeper:
    """One for an attempt. Use it with `with`: leaving waits for what is being written."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        claim: int,
        spec: CheckpointSpec,
        every_s: float,
        data_sha256: Mapping[str, Mapping[str, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`every_s`: 0 is never. It counts where the spec names no steps. `data_sha256`: of each task's files."""
        self.data_sha256 = data_sha256
        self._checkpoints = checkpoints
        self._claim = claim
        self._every_steps = spec.every_steps
        self._every_s = every_s
        self._clock = clock
        self._saved_at = clock()
        self._fingerprint: dict[str, str] = {}
        #: Whether there is a checkpoint of this attempt, or it has begun with one.
        self.has_saved = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.shutdown()

    def begin(self, fingerprint: dict[str, str]) -> Snapshot | None:
        """The newest state from which this very training can go on; None: it starts anew, and the log says why."""
        self._fingerprint = fingerprint
        self._saved_at = self._clock()
        for name in self._checkpoints.newest_first():
            try:
                manifest = self._checkpoints.manifest(name)
                differs = difference(manifest.fingerprint, fingerprint)
                if differs:
                    _say(f"checkpoint {name} is of another training: {differs}")
                    continue
                snapshot = Snapshot.from_files(self._checkpoints.read(name, manifest))
            except (StoreError, ValueError) as error:
                _say(f"checkpoint {name} cannot be used: {error}")
                continue
            self.has_saved = True
            _say(f"resumed at step {snapshot.step} from checkpoint {name}")
            return snapshot
        if self._claim > 1:
            _say("no checkpoint to go on from; training starts from the beginning")
        return None

    def is_due(self, step: int, is_end: bool) -> bool:
        """Whether to save now that `step` steps are done, at the end too if the training was worth saving before."""
        if is_end and self.has_saved:
            return True
        if self._every_steps:
            return step % self._every_steps == 0
        is_writing = self._writing is not None and not self._writing.done()
        return 0 < self._every_s <= self._clock() - self._saved_at and not is_writing

    def save(self, snapshot: Snapshot) -> None:
        """Have a state written. Returns at once, unless the one before is still being written."""
        if self._writing is not None:
            self._writing.result()
        self._saved_at, self.has_saved = self._clock(), True
        self._writing = self._writer.submit(self._write, snapshot)

    def _write(self, snapshot: Snapshot) -> None:
        try:
            self._checkpoints.write(self._claim, snapshot.step, self._fingerprint, snapshot.files())
        except StoreError as error:
            _say(f"the checkpoint of step {snapshot.step} was not written, training goes on without it: {error}")


def _say(line: str) -> None:
    """To the log of the worker, which carries what its trainer says."""
    print(line, file=sys.stderr, flush=True)
