"""The result: mean and deviation over the seeds, beside single-task models, a baseline and published figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.rows import TASKS, QualityTask, rows_of
from benchmarks.quality.runs import MULTI, recipe_hash
from benchmarks.quality.testing import looks
from benchmarks.report import Figure
from worker.training.baselines import tfidf_logistic_regression
from worker.training.metrics.single_label import classification_metrics

#: Barbieri et al. 2020 (TweetEval), table 2, and the benchmark's leaderboard: percent of each task's own figure.
PUBLISHED = {
    "BERTweet": {"hate": 56.4, "offensive": 79.5, "sentiment": 73.4},
    "RoBERTa-base": {"hate": 46.6, "offensive": 79.5, "sentiment": 71.3},
    "FastText": {"hate": 50.6, "offensive": 73.4, "sentiment": 62.9},
    "SVM": {"hate": 36.7, "offensive": 52.3, "sentiment": 62.9},
}
_COLUMNS = ("sentiment", "offensive", "hate")


def of_runs(task: QualityTask, run: str) -> list[float]:
    """The task's figure in percent for each seed that was looked at with the present recipe, the last look of each."""
    by_seed = {
        look["seed"]: 100 * look["test"][task.name][task.figure]
        for look in looks()
        if look["recipe"] == recipe_hash() and look["run"] == run
    }
    return [by_seed[seed] for seed in sorted(by_seed)]


def baselines(mirror: Path) -> dict[str, float]:
    """TF-IDF + logistic regression on the same rows, C chosen on validation rows."""
    figures = {}
    for task in TASKS:
        train, validation, test = (rows_of(task, mirror, part) for part in ("train", "validation", "test"))
        scores = tfidf_logistic_regression(train, validation, test, len(task.labels)).scores_NC
        figures[task.name] = 100 * classification_metrics(scores, test.label_ids)[task.figure]
    return figures


def figures(tfidf: dict[str, float]) -> list[Figure]:
    """A line for each task with what it is to reach, and one for how it stands to its single-task model."""
    lines = []
    for task in TASKS:
        together, alone = of_runs(task, MULTI), of_runs(task, task.name)
        if together:
            mean = statistics.fmean(together)
            lines.append(Figure(f"quality-{task.name}", mean, f"{task.figure}, %", "goal", mean / task.goal))
            lines.append(Figure(f"quality-{task.name}-vs-tfidf", mean, "%", "TF-IDF + LR", mean / tfidf[task.name]))
        if together and alone:
            lines.append(
                Figure(
                    f"quality-{task.name}-vs-single",
                    mean - statistics.fmean(alone),
                    f"points, at least {-allowance(together, alone):+.2f}",
                    "single-task models",
                    mean / statistics.fmean(alone),
                )
            )
    return lines


def allowance(together: Sequence[float], alone: Sequence[float]) -> float:
    """How far below its single-task model a task may be: the larger of 0.5 points and one pooled standard deviation."""
    if min(len(together), len(alone)) < 2:
        return 0.5
    squares = [(len(values) - 1) * statistics.variance(values) for values in (together, alone)]
    pooled: float = (sum(squares) / (len(together) + len(alone) - 2)) ** 0.5
    return max(0.5, pooled)


def markdown(tfidf: dict[str, float]) -> str:
    rows: list[tuple[str, dict[str, Any]]] = [
        ("Polyhead, one model", {task.name: _spread(of_runs(task, MULTI)) for task in TASKS}),
        ("Polyhead, a model each", {task.name: _spread(of_runs(task, task.name)) for task in TASKS}),
        ("TF-IDF + LR", {name: f"{value:.1f}" for name, value in tfidf.items()}),
        *((name, {task: f"{value:.1f}" for task, value in of_task.items()}) for name, of_task in PUBLISHED.items()),
        ("goal", {task.name: f"{task.goal:.1f}" for task in TASKS}),
    ]
    unit = {task.name: task.figure.replace("_", "-") for task in TASKS}
    head = "| model | " + " | ".join(f"{name} ({unit[name]})" for name in _COLUMNS) + " |"
    lines = [f"| {name} | " + " | ".join(cells[column] for column in _COLUMNS) + " |" for name, cells in rows]
    return "\n".join([head, "|---|" + "---:|" * len(_COLUMNS), *lines])


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.1f} (1 seed)"
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f} ({len(values)} seeds)"
