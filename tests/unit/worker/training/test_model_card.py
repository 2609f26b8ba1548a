"""The model card: what a person finds beside the weights."""

from __future__ import annotations

from typing import Any

import yaml

from shared.model import MultiTaskModel
from shared.spec import parse_spec
from worker.gate.verdict import compare, conclude
from worker.training.model_card import model_card

_FIGURES = {
    "accuracy": 0.75,
    "macro_f1": 0.5,
    "macro_recall": 0.5,
    "cross_entropy": 0.6,
    "ece": 0.05,
    "rows": 1234,
    "intervals": {"accuracy": {"low": 0.7, "high": 0.8}},
}


def _card(model: MultiTaskModel, metrics: dict[str, Any]) -> str:
    tasks = [{"name": task.name, "labels": task.labels, "data": {"train": "x.csv"}} for task in model.tasks]
    data = {
        "rows": {"train": 9000, "validation": 1000, "test": 1234},
        "rows_read": 11300,
        "dropped": {"blank text": 66},
        "sha256": {"x.csv": "ab" * 32},
    }
    names = [task.name for task in model.tasks]
    spec = parse_spec({"tasks": tasks})
    compared = {"mood": compare("macro_f1", 0.78, 0.71, 0.01, 1234)}
    verdict = conclude(compared, dropped=(), may_drop=True, champion=4, judged_against=6)
    return model_card(model, "some/base", spec, dict.fromkeys(names, data), dict.fromkeys(names, metrics), verdict)


def test_card_with_baselines_tells_data_figures_and_recipe(tiny_model: MultiTaskModel) -> None:
    """Without them, a folder of weights is a riddle a year later."""
    ahead = {"macro_f1_difference": 0.02, "low": -0.01, "high": 0.05}
    card = _card(tiny_model, {"model": _FIGURES, "tfidf_lr": _FIGURES, "majority": _FIGURES, "vs_tfidf_lr": ahead})
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "sentence-transformers"
    for part in (
        "Fine-tuned from `some/base`",
        "## mood",
        "Labels: a, b, c.",
        "Rows: 9,000 train, 1,000 validation, 1,234 test, of 11,300 read. Dropped: 66 blank text.",
        "- `x.csv`, sha256 `" + "ab" * 32,
        "| TF-IDF + logistic regression | 0.750 | 0.500 | 0.500 | 0.600 | 0.050 |",
        "+0.020 (paired bootstrap, 95 %: -0.010 to +0.050)",
        '"head_lr": 0.0001',
        'SentenceTransformer("path/of/this/folder")',
        "## Limits",
        "95 % bootstrap intervals of this model: accuracy 0.700 to 0.800.",
        "served when it was trained: failed: mood macro_f1 0.780 -> 0.710, allowed 0.01.",
        "| mood | macro_f1 0.780 -> 0.710, allowed 0.01 | 1,234 | failed |",
    ):
        assert part in card, part


def test_card_without_baselines_tells_the_model_alone(tiny_model: MultiTaskModel) -> None:
    """Nothing is claimed that was not measured."""
    card = _card(tiny_model, {"model": _FIGURES})
    assert "| this model |" in card
    assert "TF-IDF" not in card
    assert "majority" not in card


def test_recipe_of_the_card_is_the_job_itself(tiny_model: MultiTaskModel) -> None:
    """With its tasks: a recipe without them cannot be run."""
    card = _card(tiny_model, {"model": _FIGURES})
    shown = yaml.safe_load(card.split("```json")[1].split("```")[0])
    assert None not in shown.values()
    tasks = [{"name": task.name, "labels": task.labels, "data": {"train": "x.csv"}} for task in tiny_model.tasks]
    assert parse_spec(shown) == parse_spec({"tasks": tasks})
