"""The loss of a batch: cross-entropy of every row at its own head, and its mean for each task."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from shared.model import MultiTaskModel
from shared.spec import JobSpec
from worker.training.corpus import Corpus, Indices


class TaskMeans:
    """Mean loss of each task since the epoch began, in nats."""

    def __init__(self, model: MultiTaskModel) -> None:
        self._names = [task.name for task in model.tasks]
        self._sums = [0.0] * len(self._names)
        self._rows = [0] * len(self._names)

    def add(self, task: int, loss_sum: float, rows: int) -> None:
        self._sums[task] += loss_sum
        self._rows[task] += rows

    def values(self) -> dict[str, float]:
        return {n: s / r for n, s, r in zip(self._names, self._sums, self._rows, strict=True) if r}


class BatchLoss:
    """Losses of the rows of one corpus."""

    def __init__(self, model: MultiTaskModel, corpus: Corpus, spec: JobSpec, device: torch.device) -> None:
        self._heads = model.heads
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
                loss = cross_entropy(head(pooled_BH[own]), labels_B[own], reduction="sum")
                means.add(number, loss.item(), len(own))
                losses.append(loss * self._weights[number])
        return torch.stack(losses).sum()
