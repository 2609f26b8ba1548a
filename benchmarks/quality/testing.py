"""The one place that reads the test files: scores finished runs and appends each look to the log.

The log is committed, so that anyone can count how often the test rows were looked at, and with which recipe.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quality.rows import TASKS, QualityTask, rows_of
from benchmarks.quality.runs import ROOT, Run, recipe_hash, result_path
from shared.model_files import load_model
from shared.store.artifacts import ArtifactReader
from shared.store.folder import open_store
from shared.version import code_version
from worker.training.corpus import tokenize
from worker.training.metrics.single_label import classification_metrics
from worker.training.precision import Compute
from worker.training.vectors import encode_corpus

LOG = ROOT / "docs" / "results" / "quality-log.jsonl"


def looks() -> list[dict[str, Any]]:
    """All looks so far, oldest first."""
    return [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []


def is_looked_at(run: Run) -> bool:
    return any((look["recipe"], look["run"], look["seed"]) == (recipe_hash(), run.name, run.seed) for look in looks())


def look(run: Run, store: Path, mirror: Path) -> dict[str, Any]:
    """Score the run's model on the test files of its tasks, and write that down."""
    outcome = json.loads(result_path(store, run).read_text())
    model = load_model(ArtifactReader(open_store(str(store)), outcome["artifact_id"], outcome["manifest_sha256"]))
    tasks = [task for task in TASKS if task.name in {own.name for own in model.model.tasks}]
    figures = {task.name: _score(task, model.model, model.text, mirror) for task in tasks}
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": recipe_hash(),
        "code": code_version(),
        "run": run.name,
        "seed": run.seed,
        "test": figures,
        "selection": {name: _kept(of_task["model"]) for name, of_task in outcome["metrics"].items()},
    }
    with LOG.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    return entry


def _score(task: QualityTask, model: Any, text: Any, mirror: Path) -> dict[str, float]:
    corpus = tokenize([rows_of(task, mirror, "test")], text)
    with torch.inference_mode():
        pooled_NH = encode_corpus(model, corpus, Compute(torch.device("cpu"), "float32"))
        temperature = next(own.temperature for own in model.tasks if own.name == task.name)
        scores_NC = torch.softmax(model.head(task.name)(pooled_NH).double() / temperature, dim=-1).numpy()
    return _kept(classification_metrics(np.asarray(scores_NC), corpus.label_ids))


def _kept(figures: dict[str, Any]) -> dict[str, float]:
    return {name: round(figures[name], 5) for name in ("macro_f1", "macro_recall", "accuracy", "ece")}
