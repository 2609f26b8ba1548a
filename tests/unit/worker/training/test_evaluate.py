"""Evaluation of a model on all its tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shared.model import MultiTaskModel, Task
from tests.tiny_rows import make_corpus, make_rows
from worker.data.ledger import TaskData
from worker.training.corpus import Corpora
from worker.training.evaluate import baseline_metrics, evaluate_model
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter
from worker.training.protocol import Progress
from worker.training.vectors import encode_corpus

CPU = Compute(torch.device("cpu"), "float32")


@pytest.fixture
def corpora(tiny_base: Path) -> Corpora:
    parts = [make_corpus(tiny_base, [make_rows(30, seed=n), make_rows(50, 3, seed=n)]) for n in range(3)]
    return Corpora(*parts)


def test_evaluation_scores_each_row_at_its_own_head(tiny_model: MultiTaskModel, corpora: Corpora) -> None:
    """Rows of all tasks are encoded together; each task's figures must be of its own rows, in their order."""
    told: list[Progress] = []
    evaluation = evaluate_model(tiny_model, corpora, CPU, ProgressReporter(told.append))
    pooled_NH = encode_corpus(tiny_model, corpora.test, CPU)
    for number, task in enumerate(tiny_model.tasks):
        rows = np.flatnonzero(corpora.test.task_ids == number)
        with torch.no_grad():
            scores = torch.softmax(tiny_model.heads[number](pooled_NH[rows]) / task.temperature, dim=1)
        assert np.allclose(evaluation.scores[number], scores.numpy(), atol=1e-6)
        assert evaluation.test[task.name]["rows"] == evaluation.validation[task.name]["rows"] == (30, 50)[number]
    assert (told[-1].stage, told[-1].step, told[-1].steps) == ("evaluating", 160, 160)


def test_evaluation_calibrates_on_validation_rows_alone(tiny_model: MultiTaskModel, corpora: Corpora) -> None:
    """A temperature fitted on test rows would make their calibration error look better than it is."""
    progress = ProgressReporter(lambda event: None)
    evaluate_model(tiny_model, corpora, CPU, progress)
    temperatures = [task.temperature for task in tiny_model.tasks]
    assert all(temperature != 1.0 for temperature in temperatures)
    evaluate_model(tiny_model, Corpora(corpora.train, corpora.validation, corpora.train), CPU, progress)
    assert [task.temperature for task in tiny_model.tasks] == temperatures


def test_baselines_of_a_task_stand_on_the_same_rows_as_the_model() -> None:
    """Contract with clients: names, and figures that compare."""
    train, validation, test = (make_rows(rows, 3, seed) for seed, rows in enumerate((90, 30, 30)))
    data = TaskData(
        train=train, validation=validation, test=test, num_read=150, dropped={}, dropped_by_file={}, sha256={},
        files={}, encodings={},
    )  # fmt: skip
    always_first = np.tile([0.8, 0.1, 0.1], (30, 1))
    metrics = baseline_metrics(Task("t", ("a", "b", "c")), data, always_first, seed=1)
    assert metrics.keys() == {"majority", "tfidf_lr", "vs_tfidf_lr"}
    assert metrics["majority"]["rows"] == metrics["tfidf_lr"]["rows"] == 30
    assert metrics["tfidf_lr"]["macro_f1"] > 0.8
    ahead = metrics["vs_tfidf_lr"]
    assert ahead["low"] <= ahead["macro_f1_difference"] <= ahead["high"] < 0


def test_evaluation_after_training_in_bfloat16_is_in_float32(tiny_model: MultiTaskModel, corpora: Corpora) -> None:
    """Figures of two jobs must compare, and the served reference engine computes in float32."""
    progress = ProgressReporter(lambda event: None)
    rounded = evaluate_model(tiny_model, corpora, Compute(torch.device("cpu"), "bfloat16"), progress)
    exact = evaluate_model(tiny_model, corpora, CPU, progress)
    assert rounded.test == exact.test


def test_evaluation_tells_what_calibration_did_and_how_long_texts_fare(
    tiny_model: MultiTaskModel, corpora: Corpora
) -> None:
    """Averages hide both: a model that was sure of itself, and one that fails on long texts."""
    for task, figures in evaluate_model(tiny_model, corpora, CPU, ProgressReporter(lambda event: None)).test.items():
        assert figures["uncalibrated"]["ece"] != figures["ece"]
        bounds = figures["intervals"]["macro_f1"]
        assert bounds["low"] <= figures["macro_f1"] <= bounds["high"]
        assert {"1-16", "17-32"} <= {part["tokens"] for part in figures["slices"]}, task
        assert sum(part["rows"] for part in figures["slices"]) == figures["rows"]
        right = sum(part["rows"] * part["accuracy"] for part in figures["slices"])
        assert right == pytest.approx(figures["rows"] * figures["accuracy"])
