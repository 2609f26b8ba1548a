"""The training loop: AdamW over mixed-task batches, linear warm-up and decay, clipping.

Loss of a batch: cross-entropy of every row at its own head, summed over all rows and tasks, divided by the number of
rows. That is the plain sum of the tasks' losses (Kurin et al. 2022), each weighing as much as it has rows, times its
weight.

Everything random in step k is a function of (seed, k): the batch (worker.training.batches) and the dropout noise. The
rate is one of k alone. So the state of a training is its weights, its optimizer's state and k.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from shared.errors import TrainingError
from shared.model import MultiTaskModel
from shared.spec import JobSpec
from worker.training.batches import epoch_batches
from worker.training.corpus import Corpus, Indices
from worker.training.freezing import enter_train_mode
from worker.training.precision import Compute
from worker.training.rates import RateGroup
from worker.training.vectors import VectorSource


@dataclass(frozen=True, slots=True)
class StepDone:
    """Told after each step. `epoch`: how many are done; losses are means since the running one began, in nats."""

    epoch: float
    rows: int
    loss_by_task: dict[str, float]


class TrainingLoop:
    """Trains `model` in place. One use; one thread. The caller has set requires_grad and the rates that go with it."""

    def __init__(
        self, model: MultiTaskModel, corpus: Corpus, groups: list[RateGroup], spec: JobSpec, compute: Compute
    ) -> None:
        self._model = model
        self._corpus = corpus
        self._spec = spec
        self._compute = compute
        self._groups = groups
        self._parameters = [parameter for group in groups for parameter in group.parameters.values()]
        self._labels = torch.from_numpy(corpus.label_ids).to(compute.device)
        self.epochs, self.steps = self._count()

    def run(self, vectors: VectorSource, on_step: Callable[[StepDone], None]) -> None:
        """
        Raises:
            TrainingError: if a loss or a gradient is not finite.
        """
        optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters.values()), "weight_decay": group.weight_decay} for group in self._groups],
            fused=True,
        )
        enter_train_mode(self._model)
        step = 0
        for epoch in range(self.epochs):
            means = _TaskMeans(self._model)
            batches = self._batches(epoch)
            for number, batch in enumerate(batches, 1):
                self._step(optimizer, vectors, batch, step, means)
                step += 1
                on_step(StepDone(epoch + number / len(batches), len(batch), means.values()))

    def _count(self) -> tuple[int, int]:
        """Epochs and steps: as many epochs as the spec says, and whole ones more until there are its `min_steps`."""
        optimizer = self._spec.optimizer
        epochs = steps = 0
        while epochs < optimizer.epochs or steps < optimizer.min_steps:
            steps += len(self._batches(epochs))
            epochs += 1
        return epochs, steps

    def _batches(self, epoch: int) -> list[Indices]:
        return epoch_batches(self._corpus, self._spec.optimizer, self._spec.sampling, epoch)

    def _step(
        self, optimizer: torch.optim.Optimizer, vectors: VectorSource, batch: Indices, step: int, means: _TaskMeans
    ) -> None:
        factor = rate_factor(step, self.steps, self._spec.optimizer.warmup)
        for settings, group in zip(optimizer.param_groups, self._groups, strict=True):
            settings["lr"] = group.lr * factor
        torch.manual_seed((self._spec.optimizer.seed << 32) + step)
        loss = self._loss(vectors(batch), batch, means) / len(batch)
        if not math.isfinite(loss.item()):
            raise TrainingError(f"the loss is {loss.item()} in step {step + 1} of {self.steps}; {_ADVICE}")
        loss.backward()  # type: ignore[no-untyped-call]
        self._clip(step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def _loss(self, pooled_BH: Tensor, batch: Indices, means: _TaskMeans) -> Tensor:
        """Sum of the rows' losses, each at its own head, times their tasks' weights."""
        losses = []
        tasks_B = torch.from_numpy(self._corpus.task_ids[batch]).to(pooled_BH.device)
        labels_B = self._labels[torch.from_numpy(batch).to(pooled_BH.device)]
        for number, head in enumerate(self._model.heads):
            own = (tasks_B == number).nonzero().squeeze(1)
            if len(own):
                loss = cross_entropy(head(pooled_BH[own]), labels_B[own], reduction="sum")
                means.add(number, loss.item(), len(own))
                losses.append(loss * self._spec.tasks[number].weight)
        return torch.stack(losses).sum()

    def _clip(self, step: int) -> None:
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = get_total_norm(gradients)
        if not math.isfinite(norm.item()):
            raise TrainingError(f"the gradient's norm is {norm.item()} in step {step + 1} of {self.steps}; {_ADVICE}")
        if 0 < self._spec.optimizer.clip < norm.item():
            clip_grads_with_norm_(self._parameters, self._spec.optimizer.clip, norm)


_ADVICE = "lower optimizer.head_lr and layerwise_lr.base_lr, or raise optimizer.warmup"


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """What all rates are multiplied with in `step` (from 0): up to 1 in the first share `warmup`, then down to 0."""
    warmup_steps = round(steps * warmup)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return (steps - step) / (steps - warmup_steps)


class _TaskMeans:
    """Mean loss of each task since the epoch began."""

    def __init__(self, model: MultiTaskModel) -> None:
        self._names = [task.name for task in model.tasks]
        self._sums = [0.0] * len(self._names)
        self._rows = [0] * len(self._names)

    def add(self, task: int, loss_sum: float, rows: int) -> None:
        self._sums[task] += loss_sum
        self._rows[task] += rows

    def values(self) -> dict[str, float]:
        return {n: s / r for n, s, r in zip(self._names, self._sums, self._rows, strict=True) if r}
