"""The training loop: goes through steps and stages, sums up the gradients of a step's batches.

Loss of a step: that of every row at its own head (worker.training.loss), summed over all rows and tasks, divided by the
number of rows. That is the plain sum of the tasks' losses (Kurin et al. 2022), each weighing as much as it has rows,
times its weight.

Everything random in step k is a function of (seed, k): the batches (worker.training.batches) and the dropout noise. The
rates and what is frozen are functions of k alone. So the state of a training is its weights, its optimizer's state
and k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from shared.errors import DivergedError
from shared.model import MultiTaskModel
from shared.spec import JobSpec
from worker.training.corpus import Corpus
from worker.training.divergence import ADVICE
from worker.training.dropout import Dropout
from worker.training.embedding_tables import EmbeddingTables, large_tables
from worker.training.freezing import enter_train_mode
from worker.training.layers import num_layers
from worker.training.loss import BatchLoss, TaskMeans
from worker.training.optimization import Optimization
from worker.training.precision import Compute
from worker.training.ranks.group import SOLO, Group, Wrapped
from worker.training.ranks.stepping import PartLoss
from worker.training.rates import RateGroup
from worker.training.steps import Step, StepPlan
from worker.training.thawing import Thawing, TrainingStage, resolve_thawing
from worker.training.vectors import VectorSource

#: Bits of a seed for the number of a step; those above are the rank's, so that ranks draw dropout of their own.
_STEP_BITS = 26


@dataclass(frozen=True, slots=True)
class StepDone:
    """Told after each step. `epoch`: how many are done; losses are in nats."""

    epoch: float
    rows: int
    #: Means since the running epoch began.
    loss_by_task: dict[str, float]
    #: Counted from 0.
    step: int
    #: What was minimised in this step.
    loss: float
    #: Of this step: the sum of each task's losses, and of how many rows.
    losses: dict[str, tuple[float, int]]


class TrainingLoop:
    """Trains `model` in place. One use; one thread. `groups` hold every parameter that any stage trains."""

    def __init__(
        self,
        model: MultiTaskModel,
        corpus: Corpus,
        groups: list[RateGroup],
        spec: JobSpec,
        compute: Compute,
        class_weights: Sequence[Sequence[float]] = (),
        ranks: Group = SOLO,
    ) -> None:
        """`ranks`: the processes that train together; each has the same arguments otherwise."""
        self._model = model
        self._groups = groups
        self._seed = spec.optimizer.seed
        self._ranks = ranks
        self._loss = PartLoss(model, corpus, BatchLoss(model, corpus, spec, compute.device, class_weights), ranks)
        self.plan = StepPlan(corpus, spec)
        self.thawing: Thawing = resolve_thawing(spec.freeze, num_layers(model.encoder), self.plan)
        self.optimization = Optimization(groups, spec, self.plan.steps, self.thawing)
        self._means, self._epoch = TaskMeans(model), -1
        is_gathering = ranks.size == 1 and compute.device.type == "cpu"  # ranks add dense gradients up
        self._tables = EmbeddingTables(large_tables(model) if is_gathering else [])

    def run(
        self,
        vectors: Callable[[TrainingStage], VectorSource],
        on_step: Callable[[StepDone], bool | None],
        first_step: int = 0,
    ) -> None:
        """Train from `first_step` on; `vectors` is asked once for each stage, after the stage's freezing.

        It ends after the last step, or when `on_step` returns True. Going on from an interrupted training takes its
        weights, its optimizer's state, and `restore`.

        Raises:
            DivergedError: if a loss or a gradient is not finite.
        """
        stage: TrainingStage | None = None
        with ExitStack() as wrapping:
            for step in self.plan.steps_from(first_step):
                if self.thawing.at(step.number) is not stage:
                    stage = self.thawing.at(step.number)
                    wrapping.close()
                    self._enter(stage)
                    source = vectors(stage)
                    enter_train_mode(self._model)  # `vectors` may have computed with the model in eval mode
                    batch_loss = wrapping.enter_context(closing(self._ranks.wrap(self._loss)))
                if step.epoch != self._epoch:
                    self._means, self._epoch = TaskMeans(self._model), step.epoch
                loss, own = self._train(step, batch_loss, source)
                self._means.include(own)
                done = StepDone(
                    step.epochs_done, step.num_rows, self._means.values(), step.number, loss=loss, losses=own.sums()
                )
                if on_step(done):
                    return

    def state(self) -> dict[str, Any]:
        """What goes into progress only: weights and moments are the caller's to save."""
        return {"epoch": self._epoch, "means": self._means.sums()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._epoch, self._means = state["epoch"], TaskMeans(self._model, state["means"])

    def _enter(self, stage: TrainingStage) -> None:
        for group in self._groups:
            for parameter in group.parameters.values():
                parameter.requires_grad_(group.depth >= stage.lowest)

    def _train(self, step: Step, batch_loss: Wrapped, vectors: VectorSource) -> tuple[float, TaskMeans]:
        """One step; its loss, and the losses of its rows."""
        seed = (self._seed << 32) + (self._ranks.rank << _STEP_BITS) + step.number
        torch.manual_seed(seed)
        dropout = Dropout(seed)
        total, means = 0.0, TaskMeans(self._model)
        for number, batch in enumerate(step.batches, 1):
            with nullcontext() if number == len(step.batches) else batch_loss.without_sum():
                with dropout:
                    loss = batch_loss(vectors, batch, means) / step.num_rows
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item() / self._ranks.size
        # Of all ranks, so that all of them stop if one has to.
        (total,), means = self._ranks.sum([total]), means.over(self._ranks)
        if not math.isfinite(total):
            raise DivergedError(
                f"the loss is {total} in step {step.number + 1} of {self.plan.steps}{means.culprit()}; "
                f"the largest rate is {max(self.optimization.rates(step.number)):.3g}; {ADVICE}"
            )
        self._tables.spread()
        self.optimization.update(step.number)
        self._tables.clear()
        return total, means
