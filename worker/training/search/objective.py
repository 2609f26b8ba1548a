"""What a trial is judged by: figures of the validation rows, as one number of which more is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.model import MultiTaskModel
from shared.spec.searching import FIGURES
from worker.training.corpus import Corpus
from worker.training.evaluate import calibrate, model_metrics, score
from worker.training.precision import Compute
from worker.training.vectors import encode_corpus

#: By task name, as in a job's metrics.
Figures = Mapping[str, Mapping[str, Any]]


def validation_figures(model: MultiTaskModel, validation: Corpus, compute: Compute) -> Figures:
    """The calibrated model's figures on the validation rows. Leaves the model in eval mode."""
    pooled_NH = encode_corpus(model, validation, compute)
    calibrate(model, validation, pooled_NH)
    return model_metrics(model, validation, score(model, validation, pooled_NH))


def objective(figures: Figures, metric: Mapping[str, float]) -> float:
    """The weighted mean of the named figures; of macro_f1 of all tasks where none is named."""
    weights = metric or {f"{task}.macro_f1": 1.0 for task in figures}
    total = 0.0
    for name, weight in weights.items():
        task, _, figure = name.rpartition(".")
        total += weight * FIGURES[figure] * figures[task][figure]
    return total / sum(weights.values())
