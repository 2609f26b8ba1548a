"""Runs the trials of a search one after another, records each, and knows the best.

Owns the order: values, training, judgement, record. A trial that fails (diverges, asks for what the model does not
have) is a result like any other; only a search without a single success fails. Runs in the trainer's main thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from shared.errors import InvalidInputError, TrainingError
from shared.spec import JobSpec
from shared.spec.candidates import Values, apply_values
from shared.store.log import DenseLog
from shared.trials import SearchProgress
from worker.training.candidate import Candidate
from worker.training.search.objective import Figures, objective
from worker.training.search.records import TrialRecord, record_trial
from worker.training.search.report import to_row
from worker.training.search.study import Study


class _FellBehind(Exception):
    """The pruner gives the running trial up."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial. Without `weights` it must be trained again: they were not to be kept, or died with a process."""

    number: int
    spec: JobSpec
    weights: dict[str, Tensor] | None
    report: dict[str, Any]


class SearchRunner:
    """One search of one job. `prepare` makes a candidate of a spec, `judge` its validation figures."""

    def __init__(
        self,
        spec: JobSpec,
        log: DenseLog[TrialRecord],
        prepare: Callable[[JobSpec], Candidate],
        judge: Callable[[Candidate], Figures],
        tell: Callable[[SearchProgress], None],
    ) -> None:
        if spec.search is None:
            raise TypeError("the spec has no search")
        self._search = spec.search
        self._body = spec.model_dump()
        self._log = log
        self._prepare = prepare
        self._judge = judge
        self._tell = tell
        self._study = Study(spec.search)
        self._best: Best | None = None
        self._best_value = float("-inf")

    def run(self) -> Best:
        """Run all trials that have no record yet.

        Raises:
            TrainingError: if every trial failed.
        """
        done = self._log.entries()[: self._study.trials]
        self._study.replay(done)
        for number, record in enumerate(done, 1):
            self._compare(number, record, None)
        for number in range(len(done) + 1, self._study.trials + 1):
            self._say(number)
            self._run(number)
        self._say(self._study.trials)
        if self._best is None:
            errors = [record.error for record in self._log.entries() if record.error]
            raise TrainingError(f"all {self._study.trials} trials of the search failed; the last: {errors[-1]}")
        return self._best

    def _run(self, number: int) -> None:
        values = self._study.ask()
        candidate = None
        record = self._known(values)
        if record is None:
            record, candidate = self._try(values)
        stands = record_trial(self._log, number, record)
        self._study.tell(stands)
        self._compare(number, stands, candidate if stands.writer == record.writer else None)

    def _known(self, values: Values) -> TrialRecord | None:
        """The outcome of an earlier trial with the same values: it would be the same to the bit."""
        for number, earlier in enumerate(self._log.entries(), 1):
            if earlier.parameters == values and not earlier.same_as:
                outcome = earlier.model_dump(include={"parameters", "state", "value", "error"})
                return TrialRecord(**outcome, same_as=number)
        return None

    def _try(self, values: Values) -> tuple[TrialRecord, Candidate | None]:
        began_s = time.monotonic()
        by_epoch: list[float] = []
        candidate: Candidate | None = None
        figures: Figures | None = None
        fields: dict[str, Any] = {"state": "complete"}

        def on_epoch(epoch: int) -> None:
            assert candidate is not None
            by_epoch.append(self._value(self._judge(candidate)))
            if self._study.is_behind(epoch, by_epoch[-1]):
                raise _FellBehind

        try:
            candidate = self._prepare(JobSpec.model_validate(apply_values(self._body, values)))
            candidate.fit(on_epoch if self._search.pruner != "none" else None)
            figures = self._judge(candidate)
        except _FellBehind:
            fields = {"state": "pruned", "value": by_epoch[-1]}
        except (TrainingError, InvalidInputError, ValidationError) as error:
            fields = {"state": "failed", "error": str(error)}
        if figures is not None:
            fields["value"] = self._value(figures)
        seconds = round(time.monotonic() - began_s, 2)
        return TrialRecord(parameters=values, by_epoch=tuple(by_epoch), seconds=seconds, **fields), candidate

    def _value(self, figures: Figures) -> float:
        return objective(figures, self._search.metric)

    def _compare(self, number: int, record: TrialRecord, candidate: Candidate | None) -> None:
        """Remember the trial if it is better than all before; of equals the first."""
        if record.state != "complete" or record.value is None or record.value <= self._best_value:
            return
        self._best_value = record.value
        spec = JobSpec.model_validate(apply_values(self._body, record.parameters))
        keeps = candidate is not None and self._search.then == "publish"
        weights = candidate.weights() if candidate is not None and keeps else None
        self._best = Best(number, spec, weights, candidate.report if candidate is not None and keeps else {})

    def _say(self, running: int) -> None:
        rows = tuple(to_row(number, record) for number, record in enumerate(self._log.entries(), 1))
        best = None if self._best is None else self._best_value
        self._tell(SearchProgress(trial=running, trials=self._study.trials, best=best, done=rows))
