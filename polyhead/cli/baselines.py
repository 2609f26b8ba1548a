"""Says when a model is no better than a baseline that needs no model. Reads the metrics that the worker reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Scorers in a job's metrics, as people know them.
BASELINES = {"majority": "always the commonest label", "tfidf_lr": "TF-IDF + LR"}
#: What helps most, in the order in which to try it.
ADVICE = (
    "Raise optimizer.epochs or optimizer.min_steps, layerwise_lr.base_lr and optimizer.head_lr, or give it more rows"
)


def notes(metrics: Mapping[str, Any]) -> Iterator[str]:
    """One line for each task whose macro-F1 is below that of its best baseline."""
    for task, scorers in metrics.items():
        if not isinstance(scorers, Mapping):
            continue
        model = _macro_f1(scorers, "model")
        rivals = {title: score for name, title in BASELINES.items() if (score := _macro_f1(scorers, name)) is not None}
        if model is None or not rivals:
            continue
        best = max(rivals, key=rivals.__getitem__)
        if model < rivals[best]:
            yield f"note: {task} is below a baseline: macro_f1 {model:.3f}, {best} has {rivals[best]:.3f}. {ADVICE}"


def _macro_f1(scorers: Mapping[str, Any], name: str) -> float | None:
    body = scorers.get(name)
    score = body.get("macro_f1") if isinstance(body, Mapping) else None
    return float(score) if isinstance(score, int | float) else None
