"""What a candidate must show before it is released, and whether it is released at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from shared.errors import Violation
from shared.spec.part import Name, SpecPart

Regression = Annotated[float, Field(ge=0, le=1)]


class GateSpec(SpecPart):
    """The candidate is compared with the served version on the same held-out rows, task by task.

    on: a candidate that is worse than allowed in any task is kept as a version and not released. off: no comparison.
    """

    policy: Literal["on", "off"] = "on"
    metric: Literal["macro_f1", "accuracy", "macro_recall"] = "macro_f1"
    #: How much lower than the served version's the candidate's figure may be.
    max_regression: Regression = 0.01
    #: The same for single tasks, by name.
    tasks: dict[Name, Regression] = {}
    #: Whether a candidate may be released that lacks tasks of the served version.
    dropped_tasks: Literal["allow", "refuse"] = "allow"
    #: Whether a candidate may be released that was not compared in a task which the served version has too.
    unjudged: Literal["release", "hold"] = "release"

    @field_validator("policy", mode="before")
    @classmethod
    def _yaml_words(cls, value: object) -> object:
        """YAML 1.1 reads a bare `on` and `off` as true and false."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    def allowed(self, task: str) -> float:
        return self.tasks.get(task, self.max_regression)


class PublishSpec(SpecPart):
    """What becomes of the version, and what its page shows. hold: it is kept, whatever the gate says."""

    release: Literal["auto", "hold"] = "auto"
    #: Whether the artifact's report page may show texts of the data: those of the worst mistakes.
    report_texts: bool = True


def gate_misfits(gate: Mapping[str, Any], names: Sequence[Any]) -> Iterator[Violation]:
    """What in `gate` does not go together, or with the tasks called `names`."""
    if gate.get("unjudged") == "hold" and gate.get("policy") in ("off", False):
        hint = "is hold, but policy off judges nothing; to keep the version use publish.release hold"
        yield Violation("gate.unjudged", hint)
    tasks = gate.get("tasks")
    for task in tasks if isinstance(tasks, Mapping) else ():
        if task not in names:
            yield Violation(f"gate.tasks[{task}]", f"{task!r} is not one of the job's tasks")
