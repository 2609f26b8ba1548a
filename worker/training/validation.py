"""Validation while a training runs: when it is due, and the figures of all tasks as the model is now.

In float32, in eval mode. A multi-label task is judged with thresholds that are fitted each time, as in the end, since
fixed ones say little of a head that has just begun to learn; scores are not calibrated otherwise. Leaves the model in
eval mode: the caller goes back to train mode.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from shared.model import MultiTaskModel
from shared.spec import StoppingSpec
from shared.spec.stopping import FIGURES
from worker.training.corpus import Corpus
from worker.training.early_stopping import Figures
from worker.training.evaluate import task_logits
from worker.training.metrics.kinds import probabilities, task_metrics
from worker.training.metrics.single_label import Scores
from worker.training.precision import Compute
from worker.training.thresholds import fit_thresholds
from worker.training.vectors import encode_corpus


class Validation:
    """Scores the validation rows again and again; their vectors are kept for as long as the encoder is frozen."""

    def __init__(self, model: MultiTaskModel, corpus: Corpus, spec: StoppingSpec, compute: Compute) -> None:
        self._model = model
        self._corpus = corpus
        self._spec = spec
        self._compute = compute.in_float32()
        self._frozen_NH: Tensor | None = None

    def is_due(self, step: int, epoch: float, is_last: bool) -> bool:
        """Whether to validate now that `step` steps and `epoch` epochs are done."""
        if self._spec.every == "steps":
            return is_last or step % self._spec.steps == 0
        return is_last or epoch.is_integer()

    def figures(self) -> Figures:
        logits = task_logits(self._model, self._corpus, self._vectors())
        return {task.name: self._of_task(number, logits[number]) for number, task in enumerate(self._model.tasks)}

    def _vectors(self) -> Tensor:
        if any(parameter.requires_grad for parameter in self._model.encoder.parameters()):
            return encode_corpus(self._model, self._corpus, self._compute)
        if self._frozen_NH is None:
            self._frozen_NH = encode_corpus(self._model, self._corpus, self._compute)
        return self._frozen_NH

    def _of_task(self, number: int, logits_NC: Scores) -> dict[str, float]:
        targets = self._corpus.targets_of_task(number)
        task = replace(self._model.tasks[number], temperature=1.0)
        scores_NC = probabilities(task, logits_NC)
        if task.is_multi_label:
            task = replace(task, thresholds=fit_thresholds(scores_NC, targets))
        figures = task_metrics(task, scores_NC, targets)
        return {name: figures[name] for name in FIGURES[task.kind]}
