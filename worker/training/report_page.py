"""From what a job holds at its end to the report page of its artifact (worker.report)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.model import Task
from shared.spec import JobSpec
from shared.store.records import now
from worker.data.ledger import TaskData
from worker.gate.verdict import Verdict
from worker.report.mistakes import worst_mistakes
from worker.report.page import Report, TaskPage, render
from worker.report.recipe import recipe_text
from worker.report.reliability import reliability
from worker.training.evaluate import Evaluation


def report_page(
    spec: JobSpec,
    tasks: Sequence[Task],
    data: Sequence[TaskData],
    evaluation: Evaluation,
    metrics: Mapping[str, Any],
    training: Mapping[str, Any],
    lineage: Mapping[str, Any],
    verdict: Verdict,
) -> bytes:
    """`tasks` are those of the spec, as trained; `training` is the job's report with `data`."""
    pages = []
    for number, (task, own) in enumerate(zip(tasks, data, strict=True)):
        mistakes = None
        if spec.publish.report_texts:
            rows, scores = own.validation, evaluation.validation_scores[number]
            mistakes = worst_mistakes(rows.texts, rows.label_ids, scores, task.labels, task.thresholds)
        pages.append(
            TaskPage(
                name=task.name,
                kind=task.kind,
                labels=task.labels,
                metrics=metrics[task.name],
                data=training["data"][task.name],
                reliability=reliability(evaluation.scores[number], own.test.label_ids),
                mistakes=mistakes,
            )
        )
    return render(
        Report(
            created_at=now(),
            lineage=lineage,
            tasks=pages,
            training=training,
            verdict=verdict,
            recipe=recipe_text(spec),
        )
    )
