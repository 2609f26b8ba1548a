"""The loss of a rank's part of a batch, as a module that a group can wrap."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.model import MultiTaskModel
from worker.training.corpus import Corpus, Indices
from worker.training.loss import BatchLoss, TaskMeans
from worker.training.ranks.group import Group
from worker.training.ranks.parts import part_of
from worker.training.vectors import VectorSource


class PartLoss(nn.Module):
    """Called with a whole batch; computes this rank's rows of it. The sum over all ranks is the batch's loss."""

    def __init__(self, model: MultiTaskModel, corpus: Corpus, loss: BatchLoss, group: Group) -> None:
        super().__init__()
        self.model = model  # its parameters are what the group adds gradients up for
        self._corpus = corpus
        self._loss = loss
        self._group = group

    def forward(self, vectors: VectorSource, batch: Indices, means: TaskMeans) -> Tensor:
        """Sum of the losses of the own rows; tells `means` each task's."""
        part = batch
        if self._group.size > 1:
            part = part_of(batch, self._corpus.lengths, self._group.rank, self._group.size)
        if len(part):
            return self._loss.sum(vectors(part), part, means)
        return self._nothing(batch)

    def _nothing(self, batch: Indices) -> Tensor:
        """Zero, with gradients of zero for what the other ranks use: they wait for this rank's."""
        tasks = {int(task) for task in self._corpus.task_ids[batch]}
        modules = [self.model.encoder, *(head for number, head in enumerate(self.model.heads) if number in tasks)]
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        return torch.stack([parameter.sum() * 0.0 for parameter in parameters]).sum()
