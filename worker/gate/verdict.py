"""What the gate says of a candidate: a figure for each task, and what follows from them. Pure; no torch.

Champion and challenger: the stable version of the release that the candidate was judged against, and the candidate.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

#: Where a job's report has the gate's verdict.
REPORT_KEY = "gate"

#: Why a candidate is kept that nobody saw to be worse.
HOLDS = "the job's gate holds what is not judged"

Outcome = Literal["passed", "failed", "not judged"]


class _Part(BaseModel):
    # Written by one worker and read by another, which may be of an older version: unknown fields are no reason to stop.
    model_config = ConfigDict(frozen=True, extra="ignore")


class TaskVerdict(_Part):
    """One task's comparison; the figures are None where it was not judged."""

    outcome: Outcome
    metric: str
    allowed: float
    champion: float | None = None
    candidate: float | None = None
    #: Rows that both were scored on.
    rows: int = 0
    #: Why it was not judged, or what a reader of the figures should know.
    note: str = ""

    def __str__(self) -> str:
        if self.champion is None or self.candidate is None:
            return f"not judged ({self.note})"
        return f"{self.metric} {self.champion:.3f} -> {self.candidate:.3f}, allowed {self.allowed:g}"


class Verdict(_Part):
    """`outcome` is that of all tasks together; `reason` says why, if no task does."""

    outcome: Outcome
    reason: str = ""
    #: The version that was served, and the release that said so (0: there was none). None: the gate did not look.
    champion: int | None = None
    judged_against: int | None = None
    tasks: dict[str, TaskVerdict] = {}
    #: Tasks of the champion that the candidate lacks.
    dropped: tuple[str, ...] = ()
    #: Whether the candidate may replace the champion. True too where there was nothing to compare.
    may_release: bool

    @property
    def unjudged(self) -> dict[str, str]:
        """Tasks that candidate and champion both have and that were not compared, and why."""
        return {name: task.note for name, task in self.tasks.items() if task.outcome == "not judged"}

    def __str__(self) -> str:
        """One line: `failed: sentiment macro_f1 0.780 -> 0.710, allowed 0.01`."""
        if self.outcome == "passed":
            notes = [f"{name} not judged: {why}" for name, why in self.unjudged.items()]
            if self.dropped:
                notes.append(f"drops {', '.join(self.dropped)}")
            return "passed" + (f" ({'; '.join(notes)})" if notes else "")
        failed = [f"{name} {task}" for name, task in self.tasks.items() if task.outcome == "failed"]
        return f"{self.outcome}: {'; '.join([*failed, *([self.reason] if self.reason else [])])}"


def compare(metric: str, champion: float, candidate: float, allowed: float, rows: int, note: str = "") -> TaskVerdict:
    """Higher figures are better. A difference of exactly `allowed` passes, also when floats round it up."""
    is_worse = round(champion - candidate, 9) > allowed
    return TaskVerdict(
        outcome="failed" if is_worse else "passed",
        metric=metric,
        allowed=allowed,
        champion=champion,
        candidate=candidate,
        rows=rows,
        note=note,
    )


def not_judged(
    reason: str, champion: int | None = None, judged_against: int | None = None, may_release: bool = True
) -> Verdict:
    return Verdict(
        outcome="not judged",
        reason=reason,
        champion=champion,
        judged_against=judged_against,
        may_release=may_release,
    )


def conclude(
    tasks: dict[str, TaskVerdict],
    dropped: tuple[str, ...],
    may_drop: bool,
    champion: int,
    judged_against: int,
    may_be_unjudged: bool = True,
) -> Verdict:
    """All tasks together: one that failed is enough; none that could be judged is no verdict.

    Without `may_be_unjudged` one that was not judged is no verdict either, and keeps the candidate.
    """
    outcomes = {task.outcome for task in tasks.values()}
    is_held = "not judged" in outcomes and not may_be_unjudged
    reason = ""
    if dropped and not may_drop:
        reason = f"it lacks {', '.join(dropped)} of version {champion}, and the job's gate refuses that"
    if "failed" in outcomes or reason:
        outcome: Outcome = "failed"
    elif "passed" in outcomes and not is_held:
        outcome = "passed"
    else:
        outcome = "not judged"
        notes = [f"{name}: {task.note}" for name, task in tasks.items() if task.outcome == "not judged"]
        reason = "; ".join(notes) or f"version {champion} has none of the job's tasks"
        reason += f"; {HOLDS}" if is_held else ""
    return Verdict(
        outcome=outcome,
        reason=reason,
        champion=champion,
        judged_against=judged_against,
        tasks=tasks,
        dropped=dropped,
        may_release=outcome != "failed" and not is_held,
    )


def verdict_of(report: dict[str, Any]) -> Verdict | None:
    """The verdict in a job's report; None if its trainer gave none that this code can read."""
    try:
        return Verdict.model_validate(report[REPORT_KEY]) if report.get(REPORT_KEY) else None
    except ValidationError:
        return None
