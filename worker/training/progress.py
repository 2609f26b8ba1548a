"""Turns what a stage does into Progress messages: throttled, with speed and remaining time.

Single-threaded; the clock is handed in so that tests need not wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from worker.training.protocol import Progress, Stage

#: A person sees a bar move smoothly at four a second; more would only fill pipes.
INTERVAL_S = 0.25


class ProgressReporter:
    """Reports stages and steps to `emit`. The first and the last step of a stage are always told."""

    def __init__(self, emit: Callable[[Progress], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._stage: Stage = "reading data"
        self._step = self._steps = 0
        self._num_examples = 0
        self._examples_done = 0
        self._began_at = self._told_at = clock()
        self._began: dict[Stage, float] = {}
        self._thawed, self._trainable_share = "", 0.0
        self._course: dict[str, int | float] = {}
        #: Seconds that each finished stage took; those of one that was entered again are added up.
        self.seconds: dict[str, float] = {}

    def start(self, stage: Stage, steps: int = 0, num_examples: int = 0, done: int = 0) -> None:
        """Enter a stage of `steps` steps, `done` of them before; `num_examples` rows are to come (0: not countable)."""
        self.finish()
        self._stage, self._step, self._steps = stage, done, steps
        self._thawed, self._trainable_share = "", 0.0
        self._num_examples, self._examples_done = num_examples, 0
        self._began_at = self._told_at = self._clock()
        self._began[stage] = self._began_at
        self._emit(Progress(stage=stage, step=done, steps=steps, **self._of_course()))

    def tell_thawed(self, thawed: str, trainable_share: float) -> None:
        """Say what is trained from now on, in this report and in all of this stage."""
        self._thawed, self._trainable_share = thawed, trainable_share
        self._emit(
            Progress(
                stage=self._stage,
                step=self._step,
                steps=self._steps,
                thawed=thawed,
                trainable_share=trainable_share,
                **self._of_course(),
            )
        )

    def tell_resumed(self, step: int) -> None:
        """From now on reports say that training went on from `step`."""
        self._course["resumed_at"] = step

    def tell_best(self, step: int, value: float) -> None:
        """From now on reports name the best validation."""
        self._course |= {"best_step": step, "best_value": round(value, 6)}

    def _of_course(self) -> dict[str, Any]:
        return self._course if self._stage == "training" else {}

    def advance(
        self,
        steps: int = 1,
        examples: int = 0,
        epoch: float = 0.0,
        losses: dict[str, float] | None = None,
        ends: bool = False,
    ) -> None:
        """`steps` more of the stage's steps are done, which took `examples` rows; it may end before its last one."""
        self._step += steps
        self._examples_done += examples
        now = self._clock()
        if now - self._told_at < INTERVAL_S and self._step < self._steps and not ends:
            return
        self._told_at = now
        elapsed_s = max(now - self._began_at, 1e-9)
        examples_per_s = self._examples_done / elapsed_s
        left = max(self._num_examples - self._examples_done, 0)
        self._emit(
            Progress(
                stage=self._stage,
                step=self._step,
                steps=self._steps,
                epoch=round(epoch, 4),
                loss_by_task=losses or {},
                examples_per_s=round(examples_per_s, 1),
                eta_s=round(left / examples_per_s, 1) if examples_per_s else 0.0,
                thawed=self._thawed,
                trainable_share=self._trainable_share,
                **self._of_course(),
            )
        )

    def finish(self) -> None:
        """Close the running stage's clock."""
        if self._stage in self._began:
            seconds = self._clock() - self._began.pop(self._stage)
            self.seconds[self._stage] = round(self.seconds.get(self._stage, 0.0) + seconds, 2)
