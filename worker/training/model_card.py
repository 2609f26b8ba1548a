"""MODEL_CARD.md of an artifact: what it is, what it was trained on, how good it is. Pure text."""

from __future__ import annotations

from typing import Any

from shared.model import MultiTaskModel
from shared.spec import JobSpec
from worker.gate.verdict import Verdict
from worker.report.recipe import recipe_text

_SHOWN = ("accuracy", "macro_f1", "macro_recall", "cross_entropy", "ece")
_CLASSIFIERS = {"model": "this model", "tfidf_lr": "TF-IDF + logistic regression", "majority": "majority"}

_LIMITS = [
    "## Limits", "",
    "Figures are of rows like the training data; on other sources, times or languages they do not hold. Scores are "
    "calibrated on validation rows of the same kind. Longer texts are cut at the model's window. Look at the worst "
    "mistakes in `report/index.html` before the model decides about people.", "",
]  # fmt: skip
_LOADING = [
    "## How to load it", "",
    "```python", "from sentence_transformers import SentenceTransformer", "",
    "vectors = SentenceTransformer(\"path/of/this/folder\").encode([\"what a lovely day\"])", "```", "",
    "The classification heads are in `heads.safetensors`: a weight and a bias for each task, on the vectors before "
    "they are normalised. A Polyhead server answers with them.", "",
]  # fmt: skip


def model_card(
    model: MultiTaskModel,
    base_model: str,
    spec: JobSpec,
    data: dict[str, Any],
    metrics: dict[str, Any],
    verdict: Verdict,
) -> str:
    """Markdown with the front matter that sentence-transformers and the Hugging Face hub read."""
    lines = [
        "---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity", "---", "",
        "# " + ", ".join(task.name for task in model.tasks), "",
        f"Fine-tuned from `{base_model}`: one encoder with mean pooling ({model.hidden_size} dimensions, normalised) "
        f"and {len(model.tasks)} classification heads. `SentenceTransformer(folder).encode(x)` gives its embeddings.",
        "",
    ]  # fmt: skip
    for task in model.tasks:
        kind = " (any number of them)" if task.is_multi_label else ""
        lines += [f"## {task.name}", ""]
        lines += [f"Labels: {', '.join(task.labels)}{kind}. Temperature {task.temperature:.3f}.", ""]
        # A task that was carried over from a version that says nothing of its data or figures has neither.
        lines += _data_lines(data[task.name]) if task.name in data else []
        lines += _metric_lines(metrics[task.name]) if task.name in metrics else []
    lines += _gate_lines(verdict) + _LIMITS + _LOADING
    lines += ["## Recipe", "", "```json", recipe_text(spec), "```", ""]
    return "\n".join(lines)


def _data_lines(data: dict[str, Any]) -> list[str]:
    rows = ", ".join(f"{count:,} {part}" for part, count in data["rows"].items())
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in data["dropped"].items()) or "none"
    files = [f"- `{name}`, sha256 `{digest}`" for name, digest in data["sha256"].items()]
    return [f"Rows: {rows}, of {data['rows_read']:,} read. Dropped: {dropped}.", "", *files, ""]


def _gate_lines(verdict: Verdict) -> list[str]:
    lines = ["## Gate", "", f"Against the version that was served when it was trained: {verdict}.", ""]
    if verdict.tasks:
        lines += [f"| task | version {verdict.champion} -> this one | rows | |", "|---|---|---:|---|"]
        lines += [f"| {name} | {task} | {task.rows:,} | {task.outcome} |" for name, task in verdict.tasks.items()]
        lines += [""]
    return lines


def _metric_lines(metrics: dict[str, Any]) -> list[str]:
    present = [name for name in _CLASSIFIERS if name in metrics]
    lines = [f"On {metrics['model']['rows']:,} test rows:", "", "| | " + " | ".join(_SHOWN) + " |"]
    lines += ["|---|" + "---:|" * len(_SHOWN)]
    for name in present:
        figures = " | ".join(f"{metrics[name][figure]:.3f}" for figure in _SHOWN)
        lines.append(f"| {_CLASSIFIERS[name]} | {figures} |")
    intervals = metrics["model"].get("intervals", {})
    if intervals:
        told = ", ".join(f"{name} {own['low']:.3f} to {own['high']:.3f}" for name, own in intervals.items())
        lines += ["", f"95 % bootstrap intervals of this model: {told}."]
    if "vs_tfidf_lr" in metrics:
        ahead = metrics["vs_tfidf_lr"]
        lines += [
            "",
            f"Macro-F1 against TF-IDF + logistic regression: {ahead['macro_f1_difference']:+.3f} "
            f"(paired bootstrap, 95 %: {ahead['low']:+.3f} to {ahead['high']:+.3f}).",
        ]
    return [*lines, ""]
