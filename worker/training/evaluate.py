"""Calibration on validation rows, metrics on test rows, and the baselines beside them.

Owns the layout of a job's metrics, which clients read. For each task, all on the same test rows:

    metrics[task]["model"]         accuracy, macro_f1, macro_recall, cross_entropy, ece, confusion, rows; and
        uncalibrated               {cross_entropy, ece} as they were before temperature scaling
        intervals                  {figure: {low, high}}: 95 % bootstrap intervals of the first four
        slices                     [{tokens: "17-32", rows, accuracy, macro_f1, cross_entropy}] by length
        of a multi-label task      subset_accuracy (which is its accuracy), micro_f1 and labels {label: {precision,
                                   recall, f1, rows}}, but no confusion
    metrics[task]["majority"]      the first line, of the label shares of the training rows
    metrics[task]["tfidf_lr"]      the same of TF-IDF + logistic regression
    metrics[task]["vs_tfidf_lr"]   macro_f1_difference, low, high: model minus tfidf_lr, paired bootstrap, 95 %

The last three only where the spec asks for baselines. `validation` in a job's report has the first line of "model" for
the validation rows. Everything is computed in float32, whatever the training's precision: figures of two jobs compare,
and the server's reference engine gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from shared.model import MultiTaskModel, Task
from worker.data.ledger import TaskData
from worker.training.baselines import majority, tfidf_logistic_regression
from worker.training.bootstrap import macro_f1_difference
from worker.training.corpus import Corpora, Corpus
from worker.training.metrics.kinds import calibrated, probabilities, slice_figures, task_intervals, task_metrics
from worker.training.metrics.lengths import by_length
from worker.training.metrics.multi_label import multi_label_difference
from worker.training.metrics.single_label import Scores, classification_metrics
from worker.training.multi_label_baselines import MultiLabelScores, label_shares, one_vs_rest
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter
from worker.training.thresholds import predict_labels
from worker.training.vectors import encode_corpus


def task_logits(model: MultiTaskModel, corpus: Corpus, pooled_NH: Tensor) -> list[Scores]:
    """For each task, the logits of its own rows in their order, given the vectors of all rows of `corpus`."""
    logits = []
    with torch.no_grad():
        for number, head in enumerate(model.heads):
            rows = torch.from_numpy(corpus.rows_of_task(number)).to(pooled_NH.device)
            logits.append(head(pooled_NH[rows]).double().cpu().numpy())
    return logits


def calibrate(model: MultiTaskModel, corpus: Corpus, pooled_NH: Tensor) -> None:
    """Give each head the temperature (and thresholds) that suit the validation rows best."""
    logits = task_logits(model, corpus, pooled_NH)
    model.tasks = tuple(
        calibrated(task, own, corpus.targets_of_task(number))
        for number, (task, own) in enumerate(zip(model.tasks, logits, strict=True))
    )


def score(model: MultiTaskModel, corpus: Corpus, pooled_NH: Tensor) -> list[Scores]:
    """For each task, the calibrated probabilities of its own rows."""
    logits = task_logits(model, corpus, pooled_NH)
    return [probabilities(task, own) for task, own in zip(model.tasks, logits, strict=True)]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`scores[t]` are the calibrated probabilities of the test rows of task number t."""

    scores: list[Scores]
    validation_scores: list[Scores]
    test: dict[str, dict[str, Any]]
    validation: dict[str, dict[str, Any]]


def evaluate_model(
    model: MultiTaskModel, corpora: Corpora, compute: Compute, progress: ProgressReporter, seed: int = 0
) -> Evaluation:
    """Calibrate `model` in place on the validation rows, then score validation and test rows.

    `seed` is that of the bootstrap.
    """
    compute = compute.in_float32()
    num_rows = len(corpora.validation) + len(corpora.test)
    progress.start("evaluating", steps=num_rows, num_examples=num_rows)

    def on_rows(rows: int) -> None:
        progress.advance(rows, examples=rows)

    validation_NH = encode_corpus(model, corpora.validation, compute, on_rows)
    calibrate(model, corpora.validation, validation_NH)
    validation_scores = score(model, corpora.validation, validation_NH)
    test_NH = encode_corpus(model, corpora.test, compute, on_rows)
    scores = score(model, corpora.test, test_NH)
    test = model_metrics(model, corpora.test, scores)
    for number, raw in enumerate(task_logits(model, corpora.test, test_NH)):
        task = model.tasks[number]
        raw_scores = probabilities(replace(task, temperature=1.0), raw)
        test[task.name] |= _details(corpora.test, number, task, scores[number], raw_scores, seed)
    validation = model_metrics(model, corpora.validation, validation_scores)
    return Evaluation(scores, validation_scores, test=test, validation=validation)


def _details(corpus: Corpus, number: int, task: Task, scores_NC: Scores, raw_NC: Scores, seed: int) -> dict[str, Any]:
    """What is told of the model's scores alone: before calibration, how certain, and by length."""
    targets = corpus.targets_of_task(number)
    raw = task_metrics(task, raw_NC, targets)
    return {
        "uncalibrated": {name: raw[name] for name in ("cross_entropy", "ece")},
        "intervals": task_intervals(task, scores_NC, targets, seed),
        "slices": by_length(
            corpus.lengths[corpus.rows_of_task(number)],
            lambda own: task_metrics(task, scores_NC[own], targets[own]),
            slice_figures(task),
        ),
    }


def model_metrics(model: MultiTaskModel, corpus: Corpus, scores: Sequence[Scores]) -> dict[str, dict[str, Any]]:
    """The model's metrics on `corpus`, by task name."""
    return {
        task.name: task_metrics(task, own, corpus.targets_of_task(number))
        for number, (task, own) in enumerate(zip(model.tasks, scores, strict=True))
    }


def baseline_metrics(
    task: Task, data: TaskData, model_scores: Scores, seed: int, on_fitted: Callable[[], None] | None = None
) -> dict[str, Any]:
    """The baselines of one task, and how far the model is ahead of the better one."""
    if task.is_multi_label:
        return _multi_label_baselines(task, data, model_scores, seed, on_fitted)
    num_labels, labels = model_scores.shape[1], data.test.label_ids
    prior = majority(data.train, data.test, num_labels)
    linear = tfidf_logistic_regression(data.train, data.validation, data.test, num_labels, on_fitted)
    difference = macro_f1_difference(
        labels, model_scores.argmax(axis=1), linear.scores_NC.argmax(axis=1), num_labels, seed
    )
    return {
        "majority": classification_metrics(prior.scores_NC, labels),
        "tfidf_lr": {**classification_metrics(linear.scores_NC, labels), "c": linear.c},
        "vs_tfidf_lr": difference.to_dict(),
    }


def _multi_label_baselines(
    task: Task, data: TaskData, model_scores: Scores, seed: int, on_fitted: Callable[[], None] | None
) -> dict[str, Any]:
    targets = data.test.label_ids
    linear = one_vs_rest(data.train, data.validation, data.test, on_fitted)

    def figures(of: MultiLabelScores) -> dict[str, Any]:
        return task_metrics(replace(task, thresholds=of.thresholds), of.scores_NC, targets)

    told = predict_labels(model_scores, task.thresholds), predict_labels(linear.scores_NC, linear.thresholds)
    return {
        "majority": figures(label_shares(data.train, data.test)),
        "tfidf_lr": {**figures(linear), "c": linear.c},
        "vs_tfidf_lr": multi_label_difference(targets, *told, seed),
    }
