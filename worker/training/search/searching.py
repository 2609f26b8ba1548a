"""From a job with a search to the candidate that is judged and published.

Owns what becomes of the best trial. Runs in the trainer's main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.spec import JobSpec
from shared.store.log import DenseLog
from shared.trials import SearchProgress
from worker.training.candidate import Candidate
from worker.training.protocol import Progress
from worker.training.search.objective import Figures, validation_figures
from worker.training.search.records import TrialRecord
from worker.training.search.report import describe_search
from worker.training.search.runner import SearchRunner


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to; no candidate where it was to be reported only. `report`: `search` in the job's report."""

    candidate: Candidate | None
    report: dict[str, Any]


class SearchTeller:
    """Adds where the search stands to every progress message on its way out."""

    def __init__(self, emit: Callable[[Progress], None]) -> None:
        self._emit = emit
        self._stand: SearchProgress | None = None

    def emit(self, progress: Progress) -> None:
        self._emit(progress.model_copy(update={"search": self._stand}))

    def tell(self, stand: SearchProgress) -> None:
        """Say it now, since a trial may begin with minutes of silence, and from now on."""
        self._stand = stand
        self.emit(Progress(stage="searching", step=len(stand.done), steps=stand.trials))


def search(
    spec: JobSpec,
    log: DenseLog[TrialRecord],
    prepare: Callable[[JobSpec], Candidate],
    tell: Callable[[SearchProgress], None],
) -> Found:
    """Run the trials that are not done, and bring the best one back.

    Raises:
        TrainingError: if every trial failed.
    """

    if spec.search is None:
        raise TypeError("the spec has no search")
    best = SearchRunner(spec, log, prepare, _judge, tell).run()
    if spec.search.then == "report":
        return Found(None, describe_search(spec.search, log.entries(), best.number, "not published"))
    candidate = prepare(best.spec)
    if best.weights is not None:
        candidate.load(best.weights, best.report)
        published = f"the weights of trial {best.number}"
    else:
        candidate.fit()
        published = f"trained again with the values of trial {best.number}"
    return Found(candidate, describe_search(spec.search, log.entries(), best.number, published))


def _judge(candidate: Candidate) -> Figures:
    prepared = candidate.prepared
    return validation_figures(prepared.model, prepared.corpora.validation, candidate.compute.in_float32())
