"""One training with one spec: the model as it is prepared, trained and made ready to be judged.

Owns the order of these steps, which a plain job and each trial of a search go through alike. Runs in the trainer's main
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from shared.spec import JobSpec
from worker.training.batches import rows_drawn
from worker.training.checkpointing import CheckpointKeeper
from worker.training.fitting import fit
from worker.training.freezing import count_parameters
from worker.training.precision import choose_compute
from worker.training.preparation import Preparation, Prepared
from worker.training.progress import ProgressReporter
from worker.training.ranks.group import SOLO, Group
from worker.training.rates import rate_groups


class Candidate:
    """Prepared on construction; then `fit` or `load`, then `finish`. `report` fills up on the way."""

    def __init__(self, spec: JobSpec, preparation: Preparation, device: str, progress: ProgressReporter) -> None:
        self.spec = spec
        self.compute = choose_compute(device, spec.optimizer.precision)
        self.prepared = preparation.prepare(spec, self.compute)
        self._groups = rate_groups(self.prepared.model, spec)
        self._progress = progress
        trainable, total = count_parameters(self.prepared.model)
        self.report: dict[str, Any] = {
            "learning_rates": [group.describe() for group in self._groups],
            "trainable_parameters": trainable,
            "total_parameters": total,
            **describe_rows(self.prepared, spec),
            "precision": self.compute.precision,
            "device": str(self.compute.device),
        }

    def fit(
        self,
        on_epoch: Callable[[int], None] | None = None,
        keeper: CheckpointKeeper | None = None,
        ranks: Group = SOLO,
    ) -> None:
        """Train in place, together with the other `ranks`; `on_epoch` and `keeper`: see worker.training.fitting.

        Raises:
            TrainingError: if training diverges.
        """
        trained: dict[str, Any] = {"epochs": 0, "steps": 0}
        if self._groups:
            trained = fit(self.prepared, self._groups, self.spec, self.compute, self._progress, on_epoch, keeper, ranks)
        self.report |= trained

    def weights(self) -> dict[str, Tensor]:
        """A copy of everything that training changes, by name."""
        return {
            name: parameter.detach().cpu().clone()
            for group in self._groups
            for name, parameter in group.parameters.items()
        }

    def load(self, weights: Mapping[str, Tensor], report: Mapping[str, Any]) -> None:
        """Take over what `weights` and `report` of a candidate with the same spec were after `fit`."""
        with torch.no_grad():
            for group in self._groups:
                for name, parameter in group.parameters.items():
                    parameter.copy_(weights[name])
        self.report |= report

    def finish(self) -> None:
        """Make the model what is judged and published: adapters become part of the weights.

        Raises:
            TrainingError: if that changes what the model answers.
        """
        self.prepared.kept.drop()
        adapters = self.prepared.adapters
        if adapters is not None:
            moved = adapters.merge(self.prepared.model, self.prepared.corpora.validation, self.compute)
            share = self.report["trainable_parameters"] / self.report["total_parameters"]
            self.report["lora"] = {**adapters.describe(), "trainable_share": share, "merge_difference": moved}


def describe_rows(prepared: Prepared, spec: JobSpec) -> dict[str, Any]:
    """How many rows of each task an epoch draws, and how their labels weigh."""
    tasks = prepared.model.tasks
    drawn = rows_drawn(prepared.corpora.train, spec.optimizer, spec.sampling, [task.name for task in tasks])
    by_task = zip(tasks, prepared.class_weights, strict=True)
    factors = {task.name: dict(zip(task.labels, own, strict=True)) for task, own in by_task if own}
    return {"rows_per_epoch": drawn, **({"class_weights": factors} if factors else {})}
