"""What differs between the kinds of tasks when one is judged, behind functions that take a task of either kind.

`targets` are label ids (N) of a single-label task, 0/1 for each label (N x C) of a multi-label one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scipy.special import expit, softmax

from shared.model import Task
from worker.training.calibration import fit_temperature
from worker.training.corpus import Indices
from worker.training.metrics import multi_label, single_label
from worker.training.metrics.single_label import Scores
from worker.training.thresholds import fit_thresholds


def probabilities(task: Task, logits_NC: Scores) -> Scores:
    """As `Task.scores`, in double precision. `task.temperature` divides."""
    scaled = logits_NC / task.temperature
    scores: Scores = expit(scaled) if task.is_multi_label else softmax(scaled, axis=1)
    return scores


def calibrated(task: Task, logits_NC: Scores, targets: Indices) -> Task:
    """The task with the temperature, and if it is a multi-label one the thresholds, that suit these rows best."""
    task = replace(task, temperature=fit_temperature(logits_NC, targets))
    if task.is_multi_label:
        task = replace(task, thresholds=fit_thresholds(probabilities(task, logits_NC), targets))
    return task


def task_metrics(task: Task, scores_NC: Scores, targets: Indices) -> dict[str, Any]:
    """The figures of one classifier on one task's rows."""
    if task.is_multi_label:
        return multi_label.multi_label_metrics(scores_NC, targets, task.thresholds, task.labels)
    return single_label.classification_metrics(scores_NC, targets)


def task_intervals(task: Task, scores_NC: Scores, targets: Indices, seed: int) -> dict[str, dict[str, float]]:
    """95 % bootstrap intervals of the main figures."""
    if task.is_multi_label:
        return multi_label.multi_label_intervals(scores_NC, targets, task.thresholds, seed)
    return single_label.confidence_intervals(scores_NC, targets, seed)


def slice_figures(task: Task) -> tuple[str, ...]:
    """What a slice of the rows is told by."""
    return multi_label.SLICE_FIGURES if task.is_multi_label else single_label.SLICE_FIGURES


def reordered(task: Task, order: Sequence[int]) -> Task:
    """The task with its labels, and what belongs to each, in another order."""
    thresholds = tuple(task.thresholds[number] for number in order) if task.thresholds else ()
    return replace(task, labels=tuple(task.labels[number] for number in order), thresholds=thresholds)
