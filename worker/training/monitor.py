"""What happens between two steps of a training: curves, divergence, validation, the best weights, checkpoints.

Owns the order of these, and what of them is saved and restored. Runs in the trainer's main thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from shared.spec import JobSpec
from worker.training.checkpointing import CheckpointKeeper
from worker.training.divergence import LossWatch
from worker.training.early_stopping import EarlyStopping
from worker.training.fingerprint import fingerprint
from worker.training.freezing import enter_train_mode
from worker.training.history import History
from worker.training.loop import StepDone, TrainingLoop
from worker.training.precision import Compute
from worker.training.preparation import Prepared
from worker.training.progress import ProgressReporter
from worker.training.rates import RateGroup
from worker.training.schedule import rate_factor
from worker.training.snapshot import (
    Snapshot,
    Tensors,
    copy_moments,
    copy_weights,
    restore_moments,
    restore_weights,
)
from worker.training.validation import Validation


class Resumable(Protocol):
    """A part whose state is JSON."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...


class Monitor:
    """`begin`, then `after` each step, then `end`. Without a keeper nothing is saved."""

    def __init__(
        self,
        prepared: Prepared,
        groups: Sequence[RateGroup],
        loop: TrainingLoop,
        spec: JobSpec,
        compute: Compute,
        progress: ProgressReporter,
        keeper: CheckpointKeeper | None,
        parts: Mapping[str, Resumable],
    ) -> None:
        """`parts` are what else has a state to be saved, by name."""
        self._model = prepared.model
        self._parameters = {name: parameter for group in groups for name, parameter in group.parameters.items()}
        self._loop = loop
        self._spec = spec
        self._compute = compute
        self._progress = progress
        self._keeper = keeper
        tasks, steps, warmup = [task.name for task in spec.tasks], loop.plan.steps, spec.optimizer.warmup
        self._history = History(tasks, steps, lambda step: rate_factor(step, steps, warmup))
        self._losses = LossWatch(spec.optimizer.max_loss_ratio)
        self._validation, self._stopping = None, None
        if spec.stopping is not None:
            self._validation = Validation(prepared.model, prepared.corpora.validation, spec.stopping, compute)
            self._stopping = EarlyStopping(spec.stopping, tasks)
        self._best: Tensors = {}
        self._step, self._rows, self._has_ended = 0, 0, False
        self._parts: dict[str, Resumable] = {**parts, "loop": loop, "history": self._history, "losses": self._losses}
        if self._stopping is not None:
            self._parts["stopping"] = self._stopping

    @property
    def rows(self) -> int:
        """Rows that the steps so far had."""
        return self._rows

    @property
    def steps(self) -> int:
        """How many are done."""
        return self._step

    def begin(self) -> int:
        """Take up what an interrupted attempt left; the step to begin with: there are no more if it had ended."""
        if self._keeper is None:
            return 0
        snapshot = self._keeper.begin(fingerprint(self._spec, self._keeper.data_sha256, self._model, self._compute))
        if snapshot is None:
            return 0
        restore_weights(self._parameters, snapshot.weights)
        restore_moments(self._parameters, self._loop.optimization.optimizer, snapshot.moments)
        self._best = snapshot.best
        for name, part in self._parts.items():
            part.restore(snapshot.facts["parts"][name])
        self._step, self._rows = snapshot.step, snapshot.facts["rows"]
        self._has_ended = snapshot.facts["has_ended"]
        self._progress.tell_resumed(self._step)
        return self._loop.plan.steps if self._has_ended else self._step

    def after(self, done: StepDone) -> bool:
        """Look at a step that was done; whether the training is to end here.

        Raises:
            DivergedError: if the loss has risen over the bound.
        """
        self._step, self._rows = done.step + 1, self._rows + done.rows
        self._history.add(done.step, done.losses)
        worst = max(done.losses, key=lambda task: done.losses[task][0] / done.losses[task][1])
        self._losses.add(done.step, done.loss, worst, max(self._loop.optimization.rates(done.step)))
        is_last = self._step == self._loop.plan.steps
        must_stop = self._validate(done.epoch, is_last)
        self._has_ended = is_last or must_stop
        if self._keeper is not None and self._keeper.is_due(self._step, self._has_ended):
            self._keeper.save(self._snapshot())
        return must_stop

    def end(self) -> dict[str, Any]:
        """Put the best weights back if that is asked for; what the report says of the training's course."""
        history = self._history.describe()
        if self._stopping is None or self._spec.stopping is None:
            return {"history": history}
        is_restored = self._spec.stopping.restore_best and self._stopping.best_step != self._step
        if is_restored:
            restore_weights(self._parameters, self._best)
        history["validation"] = self._stopping.curve
        return {"history": history, "stopping": self._stopping.describe(self._step, self._loop.plan.steps, is_restored)}

    def _validate(self, epoch: float, is_last: bool) -> bool:
        """Validate if it is due; whether to stop."""
        if self._validation is None or self._stopping is None or self._spec.stopping is None:
            return False
        if not self._validation.is_due(self._step, epoch, is_last):
            return False
        is_best = self._stopping.judge(self._step, epoch, self._validation.figures())
        if is_best and self._spec.stopping.restore_best:
            self._best = copy_weights(self._parameters)
        enter_train_mode(self._model)
        self._progress.tell_best(self._stopping.best_step, self._stopping.best_value)
        return self._stopping.must_stop

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            weights=copy_weights(self._parameters),
            moments=copy_moments(self._parameters, self._loop.optimization.optimizer),
            best=self._best,
            facts={
                "step": self._step,
                "rows": self._rows,
                "has_ended": self._has_ended,
                "parts": {name: part.state() for name, part in self._parts.items()},
            },
        )
