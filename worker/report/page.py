"""The page from what a job knows at its end: chooses what is shown, renders the template. Pure but for reading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from worker.gate.verdict import Verdict
from worker.report.charts import NUM_COLOURS, line_chart, reliability_chart
from worker.report.mistakes import Mistake
from worker.report.reliability import Bin

FIGURES = ("accuracy", "macro_f1", "macro_recall", "cross_entropy", "ece")
CLASSIFIERS = {"model": "this model", "tfidf_lr": "TF-IDF + logistic regression", "majority": "majority"}


@dataclass(frozen=True, slots=True)
class TaskPage:
    """What the page shows of one task beside its metrics; `mistakes` is None where texts are to be left out."""

    name: str
    kind: str
    labels: tuple[str, ...]
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    reliability: Sequence[Bin]
    mistakes: Sequence[Mistake] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`training` is the job's report: see worker.training.candidate, history and fitting for its parts."""

    created_at: str
    #: See worker.training.lineage.
    lineage: Mapping[str, Any]
    tasks: Sequence[TaskPage]
    training: Mapping[str, Any]
    verdict: Verdict
    recipe: str


def render(report: Report) -> bytes:
    """One HTML file without anything to load. Texts of the data are escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = _figure
    environment.filters["share"] = lambda value, of: f"{value / of:.0%}" if of else "-"
    template = environment.from_string(Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        figures=FIGURES,
        classifiers=CLASSIFIERS,
        num_colours=NUM_COLOURS,
        curves=_curves(report.training),
        reliability={task.name: _reliability(task) for task in report.tasks},
    ).encode()


def _reliability(task: TaskPage) -> str:
    return reliability_chart(task.reliability, f"Reliability of {task.name}")


def _curves(training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Charts of the training that have something to show, with the names of their lines."""
    history = training.get("history") or {}
    steps = history.get("step", [])
    stages = {stage["first_step"]: stage["trained"] for stage in training.get("stages", [])}
    marks = stages if len(stages) > 1 else {}
    losses = {task: list(zip(steps, own, strict=True)) for task, own in history.get("loss", {}).items()}
    rates = {"all rates": list(zip(steps, history.get("rate_factor", []), strict=True))} if steps else {}
    validation: dict[str, list[tuple[float, float | None]]] = {}
    for point in history.get("validation", []):
        for task, figures in point.get("figures", {}).items():
            for name, value in figures.items():
                validation.setdefault(f"{task} {name}", []).append((point["step"], value))
    charts = [
        ("Training loss", "Mean of the rows of each point, in nats, over steps.", losses),
        ("Learning rates", "Factor of all rates over steps; vertical lines: what is trained from there on.", rates),
        ("Validation while training", "Figures on the validation rows, over steps.", validation),
    ]
    return [
        {"title": title, "note": note, "names": list(lines), "svg": line_chart(lines, title, marks)}
        for title, note, lines in charts
        if any(lines.values())
    ]


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "-"
