"""Training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where a job stands. UNKNOWN is a state that this client has no name for."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished trial of a search: `state` is complete, pruned or failed; `value` is None where it failed."""

    number: int
    parameters: Mapping[str, str]
    state: str
    value: float | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Where a search stands: trial `trial` of `trials` runs, `best` is the best value yet."""

    trial: int
    trials: int
    best: float | None
    done: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What a running job does now."""

    stage: str
    step: int
    #: All steps of the stage; 0 while unknown.
    steps: int
    epoch: float
    loss_by_task: Mapping[str, float]
    examples_per_s: float
    eta_s: float
    #: What is trained now, such as `layer.4 and above`, and its share of the parameters; empty but while training.
    thawed: str = ""
    trainable_share: float = 0.0
    #: None for a job without a search.
    search: SearchProgress | None = None
    #: The step that an interrupted training went on from; 0: it began at the beginning.
    resumed_at: int = 0
    #: With `stopping`: the best validation so far, after which step and how good; 0: none yet.
    best_step: int = 0
    best_value: float = 0.0


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed; `code` is stable and machine-readable, such as INVALID_DATA."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """A training job, as it was when the server answered."""

    id: str
    request_id: str
    state: JobState
    #: Counts claims by workers, from 1; 0 while queued for the first time.
    attempt: int
    submitted_at: datetime | None
    finished_at: datetime | None
    spec: Mapping[str, Any]
    progress: JobProgress | None
    #: metrics[task][`model`, `majority` or `tfidf_lr`] has accuracy, macro_f1, macro_recall, cross_entropy, ece.
    metrics: Mapping[str, Any]
    report: Mapping[str, Any]
    #: The published version; 0 until it is published.
    version: int
    error: JobError | None
    #: Somebody asked for its end, and its worker has not stopped it yet.
    cancel_requested: bool = False
    #: What the gate said, once the version is published: `passed`, `failed: ...`, `not judged: ...`, `held`.
    verdict: str = ""
    #: Whether a release made the version the one that answers.
    released: bool = False

    @property
    def is_kept(self) -> bool:
        """Published as a version and not released: the gate or a hold is in the way."""
        return self.version > 0 and bool(self.verdict) and not self.released

    @property
    def is_finished(self) -> bool:
        return self.state in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
