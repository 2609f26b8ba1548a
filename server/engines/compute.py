"""The compute workers: threads that take their next batch themselves when they are free, and answer it in bulk.

No timer and no executor stands between queue and device: a prototype went from 0.5 to 0.85 of the raw
engine by it (docs/decisions/0003-compute-workers.md).
On a CPU there is one single-threaded worker a core; on a GPU one. `torch.set_num_threads` and inference mode are
thread-local, so they are entered inside the thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import structlog
import torch

from server.engines.engine import Engine, EngineOutput
from shared.errors import UnavailableError

log = structlog.get_logger(__name__)


class Batch(Protocol):
    """What a compute worker needs of a batch."""

    engine: Engine

    @property
    def rows(self) -> Sequence[Sequence[int]]: ...


B = TypeVar("B", bound=Batch)


class ComputeWorkers(Generic[B]):
    """Starts and joins the threads. `take` blocks and returns None when the queue is closed and empty; `answer` is told
    when the engine began (time.monotonic()), at once when it has ended."""

    def __init__(
        self,
        num_workers: int,
        take: Callable[[], B | None],
        answer: Callable[[B, EngineOutput | Exception, float], None],
        on_death: Callable[[BaseException], object],
    ) -> None:
        self._take = take
        self._answer = answer
        self._on_death = on_death
        self._threads = [
            threading.Thread(target=self._run, name=f"compute-{number}", daemon=True) for number in range(num_workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join_blocking(self, timeout_s: float) -> None:
        """Wait for all of them, `timeout_s` in total."""
        ends_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends_s - time.monotonic()))

    @property
    def num_alive(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        torch.set_num_threads(1)
        batch: B | None = None
        try:
            while (batch := self._take()) is not None:
                began_s = time.monotonic()
                self._answer(batch, self._compute(batch), began_s)
                batch = None
        except BaseException as error:
            log.exception("a compute worker died")
            self._die(error, batch)

    def _die(self, error: BaseException, batch: B | None) -> None:
        """Its callers would wait until their deadlines, or for ever."""
        try:
            if batch is not None:
                error_of_callers = UnavailableError("the compute worker of this batch died; try again")
                self._answer(batch, error_of_callers, time.monotonic())
        finally:
            self._on_death(error)

    def _compute(self, batch: B) -> EngineOutput | Exception:
        """A failing batch fails its own requests and nothing else."""
        try:
            return batch.engine.run_blocking(batch.rows)
        except Exception as error:
            log.exception("a batch failed", rows=len(batch.rows))
            return error
