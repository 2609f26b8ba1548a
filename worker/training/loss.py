"""The loss of a batch: that of every row at its own head, and its mean for each task.

Single label: cross-entropy. Multi label: binary cross-entropy, the mean over the labels, so that a task with many
labels does not outweigh the others. Both with the task's class weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from shared.model import MultiTaskModel
from shared.spec import JobSpec
from worker.training.corpus import Corpus, Indices
from worker.training.ranks.group import Group


class TaskMeans:
    """Mean loss of each task over some rows, in nats."""

    def __init__(self, model: MultiTaskModel, sums: Mapping[str, Sequence[float]] | None = None) -> None:
        """`sums`: what `sums()` of another one said, to go on from."""
        self._names = [task.name for task in model.tasks]
        known = [(sums or {}).get(name, (0.0, 0)) for name in self._names]
        self._sums = [float(loss_sum) for loss_sum, _ in known]
        self._rows = [int(rows) for _, rows in known]

    def add(self, task: int, loss_sum: float, rows: int) -> None:
        self._sums[task] += loss_sum
        self._rows[task] += rows

    def include(self, other: TaskMeans) -> None:
        """Count what `other` has counted too."""
        for number in range(len(self._names)):
            self.add(number, other._sums[number], other._rows[number])

    def over(self, group: Group) -> TaskMeans:
        """What all ranks of `group` have counted."""
        total = group.sum([*self._sums, *self._rows])
        summed = copy(self)
        summed._sums, summed._rows = total[: len(self._names)], [int(rows) for rows in total[len(self._names) :]]
        return summed

    def values(self) -> dict[str, float]:
        return {name: loss_sum / rows for name, (loss_sum, rows) in self.sums().items()}

    def sums(self) -> dict[str, tuple[float, int]]:
        """The sum of each task's losses, and of how many rows; tasks without rows are left out."""
        return {n: (s, r) for n, s, r in zip(self._names, self._sums, self._rows, strict=True) if r}

    def culprit(self) -> str:
        """` (task NAME)` for the tasks whose loss is not finite; nothing if there is none."""
        names = [name for name, (loss_sum, _) in self.sums().items() if not math.isfinite(loss_sum)]
        return f" (task {', '.join(names)})" if names else ""


class BatchLoss:
    """Losses of the rows of one corpus."""

    def __init__(
        self,
        model: MultiTaskModel,
        corpus: Corpus,
        spec: JobSpec,
        device: torch.device,
        class_weights: Sequence[Sequence[float]] = (),
    ) -> None:
        """`class_weights`: for each task one factor a label, or none."""
        self._heads = model.heads
        self._tables = {number: torch.from_numpy(table).float().to(device) for number, table in corpus.tables.items()}
        self._class_weights = [torch.tensor(factors, device=device) if factors else None for factors in class_weights]
        self._class_weights += [None] * (len(model.tasks) - len(self._class_weights))
        self._tasks_N = torch.from_numpy(corpus.task_ids).to(device)
        self._labels_N = torch.from_numpy(corpus.label_ids).to(device)
        self._weights = [task.weight for task in spec.tasks]

    def sum(self, pooled_BH: Tensor, batch: Indices, means: TaskMeans) -> Tensor:
        """Sum of the rows' losses, each at its own head, times their tasks' weights; tells `means` each task's."""
        rows_B = torch.from_numpy(batch).to(pooled_BH.device)
        tasks_B, labels_B = self._tasks_N[rows_B], self._labels_N[rows_B]
        losses = []
        for number, head in enumerate(self._heads):
            own = (tasks_B == number).nonzero().squeeze(1)
            if len(own):
                loss = self._task_sum(number, head(pooled_BH[own]), labels_B[own])
                means.add(number, loss.item(), len(own))
                losses.append(loss * self._weights[number])
        return torch.stack(losses).sum()

    def _task_sum(self, task: int, logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        factors_C = self._class_weights[task]
        if task not in self._tables:
            return cross_entropy(logits_BC, labels_B, weight=factors_C, reduction="sum")
        targets_BC = self._tables[task][labels_B]
        total = binary_cross_entropy_with_logits(logits_BC, targets_BC, pos_weight=factors_C, reduction="sum")
        return total / logits_BC.shape[1]
