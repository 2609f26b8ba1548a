"""The order of a search: what is recorded, compared and kept, with a trainer that only pretends.

Real trainings are in tests/integration/training/test_search.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from shared.errors import TrainingError
from shared.spec import JobSpec, parse_spec
from shared.store.folder import FolderStore
from shared.store.log import DenseLog
from shared.trials import SearchProgress
from worker.training.search.objective import objective
from worker.training.search.records import TrialRecord, record_trial, trials_log
from worker.training.search.runner import Best, SearchRunner

TASKS = [{"name": "mood", "labels": ["x", "y"], "data": {"train": "a.csv"}}]
DIVERGING = 9


class FakeCandidate:
    """Reaches a macro_f1 of weight / 10 in equal steps of its epochs; a weight of 9 diverges."""

    def __init__(self, spec: JobSpec, trained: list[float]) -> None:
        self.spec = spec
        self.value = 0.0
        self.report: dict[str, Any] = {"epochs": spec.optimizer.epochs}
        self._trained = trained

    def fit(self, on_epoch: Any = None) -> None:
        weight, epochs = self.spec.tasks[0].weight, self.spec.optimizer.epochs
        self._trained.append(weight)
        if weight == DIVERGING:
            raise TrainingError("the loss is nan")
        for epoch in range(1, epochs + 1):
            self.value = weight / 10 * epoch / epochs
            if on_epoch and epoch < epochs:
                on_epoch(epoch)

    def weights(self) -> dict[str, Tensor]:
        return {"w": torch.tensor(self.value)}


class Bench:
    """A search over the weights given here, as a grid."""

    def __init__(self, folder: Path, weights: list[float], **search: Any) -> None:
        parameters = {"tasks.mood.weight": {"choices": weights}}
        body = {"tasks": TASKS, "search": {"parameters": parameters, "sampler": "grid", **search}}
        self.spec = parse_spec({**body, "optimizer": {"epochs": 4}})
        self.log: DenseLog[TrialRecord] = trials_log(FolderStore(folder), "job")
        self.trained: list[float] = []
        self.told: list[SearchProgress] = []

    def run(self) -> Best:
        def prepare(spec: JobSpec) -> Any:
            return FakeCandidate(spec, self.trained)

        def judge(candidate: Any) -> Any:
            return {"mood": {"macro_f1": candidate.value, "cross_entropy": candidate.value}}

        return SearchRunner(self.spec, self.log, prepare, judge, self.told.append).run()

    def states(self) -> list[str]:
        return [record.state for record in self.log.entries()]


def test_search_records_every_trial_and_keeps_the_best_ones_weights(tmp_path: Path) -> None:
    """What is published is the trial that the table says."""
    bench = Bench(tmp_path, [2, 7, DIVERGING, 5])
    best = bench.run()
    assert (best.number, best.spec.tasks[0].weight, best.report) == (2, 7, {"epochs": 4})
    assert best.weights is not None
    assert best.weights["w"].item() == pytest.approx(0.7)
    assert bench.states() == ["complete", "complete", "failed", "complete"]
    assert [record.value for record in bench.log.entries()] == [0.2, 0.7, None, 0.5]
    assert bench.log.entries()[2].error == "the loss is nan"
    assert [(stand.trial, len(stand.done), stand.best) for stand in bench.told] == [
        (1, 0, None),
        (2, 1, 0.2),
        (3, 2, 0.7),
        (4, 3, 0.7),
        (4, 4, 0.7),
    ]


@pytest.mark.parametrize("then", ["retrain", "report"])
def test_search_that_does_not_publish_weights_keeps_none(tmp_path: Path, then: str) -> None:
    """A second copy of a large model is memory."""
    assert Bench(tmp_path, [2, 7], then=then).run().weights is None


def test_search_goes_on_behind_the_trials_that_are_done(tmp_path: Path) -> None:
    """A killed trainer costs the trial that ran, not those before; lost weights are told as lost."""
    first = Bench(tmp_path, [2, 7, 3, 5])
    for number, weight in enumerate((2, 7), 1):
        done = TrialRecord(parameters={"tasks.mood.weight": weight}, state="complete", value=weight / 10)
        record_trial(first.log, number, done)
    best = first.run()
    assert first.trained == [3, 5]
    assert (best.number, best.weights) == (2, None)
    again = Bench(tmp_path, [2, 7, 3, 5])
    assert (again.run().number, again.trained) == (2, [])


def test_search_takes_the_record_of_a_quicker_attempt(tmp_path: Path) -> None:
    """Records are created once: an attempt that was fenced off and one that took over agree on what happened."""
    bench = Bench(tmp_path, [2, 7])
    other = TrialRecord(parameters={"tasks.mood.weight": 2}, state="complete", value=0.9)
    assert record_trial(bench.log, 1, other) == other
    mine = TrialRecord(parameters={"tasks.mood.weight": 2}, state="complete", value=0.2)
    assert record_trial(bench.log, 1, mine) == other


def test_search_prunes_what_falls_behind(tmp_path: Path) -> None:
    """The worst trial is not trained to its end; its value is what it had when it was given up."""
    bench = Bench(tmp_path, [6, 7, 1, 8], pruner="median")
    assert bench.run().number == 4
    assert bench.states() == ["complete", "complete", "pruned", "complete"]
    assert len(bench.log.entries()[2].by_epoch) == 1
    assert bench.log.entries()[2].value == pytest.approx(0.1 / 4)


def test_search_in_which_every_trial_fails_fails_with_the_reason(tmp_path: Path) -> None:
    """There is nothing to publish."""
    with pytest.raises(TrainingError, match="all 1 trials of the search failed; the last: the loss is nan"):
        Bench(tmp_path, [DIVERGING]).run()


def test_search_does_not_train_the_same_values_twice(tmp_path: Path) -> None:
    """Training is a function of the spec, so the outcome would be the same to the bit."""
    bench = Bench(tmp_path, [2, 7])
    body = bench.spec.model_dump()
    body["search"] |= {"sampler": "random", "trials": 8}
    bench.spec = JobSpec.model_validate(body)
    bench.run()
    assert sorted(bench.trained) == [2, 7]
    records = bench.log.entries()
    assert len(records) == 8
    assert all(record.value == records[record.same_as - 1].value for record in records if record.same_as)


def test_objective_is_the_weighted_mean_of_its_figures() -> None:
    """Figures of which less is better count against; without a metric all tasks count alike."""
    figures = {"a": {"macro_f1": 0.6, "cross_entropy": 0.5}, "b": {"macro_f1": 0.8}}
    assert objective(figures, {}) == pytest.approx(0.7)
    assert objective(figures, {"a.macro_f1": 3.0, "b.macro_f1": 1.0}) == pytest.approx(0.65)
    assert objective(figures, {"a.cross_entropy": 1.0}) == pytest.approx(-0.5)
