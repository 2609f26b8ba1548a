"""What a person must hear of a version that was released though the gate could not compare it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polyhead.results.jobs import Job


def unjudged_notes(job: Job) -> Iterator[str]:
    """One line for each task of the released version that the served one had too and that nobody compared."""
    gate = job.report.get("gate")
    if not job.released or not isinstance(gate, Mapping):
        return
    tasks = gate.get("tasks")
    for name, task in tasks.items() if isinstance(tasks, Mapping) else ():
        if isinstance(task, Mapping) and task.get("outcome") == "not judged":
            yield (
                f"warning: {name} was not compared with version {gate.get('champion')}, and the version was released "
                f"({task.get('note')}); gate: {{unjudged: hold}} in the recipe would keep it"
            )
