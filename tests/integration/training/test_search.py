"""Searches with real trainings: the best trial is what is published, and a killed trainer goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
import torch

from shared.model_files import load_model
from shared.store.artifacts import ArtifactReader
from tests.integration.training.conftest import Bench
from worker.training.protocol import Progress, Result, TrainerInput
from worker.training.search.records import trials_log
from worker.training.vectors import encode_batch

RATES = {"low": 1e-4, "high": 3e-2, "log": True}
SEARCH: dict[str, Any] = {
    "trials": 6,
    "sampler": "tpe",
    "parameters": {"optimizer.head_lr": RATES, "freeze.policy": {"choices": ["none", "backbone"]}},
}
FIELDS: dict[str, Any] = {"search": SEARCH, "baselines": False, "layerwise_lr": {"base_lr": 1e-3}}


def _weights(bench: Bench, result: Result) -> dict[str, torch.Tensor]:
    artifact = ArtifactReader(bench.store, result.artifact_id, result.manifest_sha256)
    return load_model(artifact).model.state_dict()


@pytest.fixture(scope="module")
def told() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def searched(shared_bench: Bench, told: list[Progress]) -> Result:
    """Six trials, the best one published from its kept weights."""
    return shared_bench.train(told, **FIELDS)


def test_search_publishes_what_a_job_with_the_best_values_would(shared_bench: Bench, searched: Result) -> None:
    """The weights of the trial and those of a plain job with its values are the same to the bit."""
    report = searched.report["search"]
    assert [row["number"] for row in report["trials"]] == [1, 2, 3, 4, 5, 6]
    best = report["trials"][report["best"] - 1]
    assert best["value"] == max(row["value"] for row in report["trials"] if row["state"] == "complete")
    assert report["published"] == f"the weights of trial {best['number']}"
    values = best["parameters"]
    plain = shared_bench.train(
        optimizer={"epochs": 1, "head_lr": values["optimizer.head_lr"]},
        freeze={"policy": values["freeze.policy"]},
        baselines=False,
        layerwise_lr=FIELDS["layerwise_lr"],
    )
    expected, weights = _weights(shared_bench, plain), _weights(shared_bench, searched)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert plain.metrics == searched.metrics
    figures = searched.report["validation"]
    mean = sum(figures[task]["macro_f1"] for task in figures) / len(figures)
    assert mean == pytest.approx(best["value"])
    manifest = ArtifactReader(shared_bench.store, searched.artifact_id, searched.manifest_sha256).manifest
    assert manifest.hyperparameters["optimizer"]["head_lr"] == values["optimizer.head_lr"]


def test_search_tells_its_trials_in_progress(searched: Result, told: list[Progress]) -> None:
    """What a person who watches sees: which trial runs, the best one yet, and a row for each that is done."""
    stands = [event.search for event in told if event.search is not None]
    assert {stand.trial for stand in stands} == {1, 2, 3, 4, 5, 6}
    assert {stand.trials for stand in stands} == {6}
    last = stands[-1]
    assert len(last.done) == 6
    assert last.best == max(trial.value for trial in last.done if trial.value is not None)
    training = [event for event in told if event.stage == "training"]
    assert all(event.search is not None for event in training)
    assert told[0].search is None, "reading the data is no trial"


def test_search_reads_and_tokenizes_once(told: list[Progress], searched: Result) -> None:
    """All trials share the rows."""
    assert sum(event.stage == "reading data" and event.step == 0 for event in told) == 1


def test_search_over_a_frozen_encoder_encodes_the_training_rows_once(
    shared_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three trials and a retraining of the best one: what is frozen is the same in all of them."""
    rows: list[int] = []

    def counting(model: Any, corpus: Any, compute: Any, batch: Any) -> torch.Tensor:
        rows.append(len(batch))
        return encode_batch(model, corpus, compute, batch)

    monkeypatch.setattr("worker.training.cached_vectors.encode_batch", counting)
    parameters = {"optimizer.head_lr": {"choices": [1e-3, 1e-2, 3e-2]}}
    search = {"sampler": "grid", "parameters": parameters, "then": "retrain"}
    result = shared_bench.train(freeze={"policy": "backbone"}, search=search, baselines=False)
    assert len(result.report["search"]["trials"]) == 3
    assert sum(rows) == sum(data["rows"]["train"] for data in result.report["data"].values())
    assert [use.get("from_earlier_trial") for use in result.report["cache"]] == [True]


def test_search_to_report_saves_no_artifact(shared_bench: Bench) -> None:
    """To look before one publishes."""
    before = shared_bench.artifact_ids()
    search = {**SEARCH, "trials": 2, "then": "report"}
    result = shared_bench.train(**{**FIELDS, "search": search})
    assert (result.artifact_id, result.metrics) == ("", {})
    assert len(result.report["search"]["trials"]) == 2
    assert result.report["search"]["published"] == "not published"
    assert shared_bench.artifact_ids() == before


def test_search_to_retrain_publishes_the_same_weights(shared_bench: Bench, searched: Result) -> None:
    """Trained again is trained the same."""
    result = shared_bench.train(**{**FIELDS, "search": {**SEARCH, "then": "retrain"}})
    assert result.report["search"]["published"].startswith("trained again")
    expected, weights = _weights(shared_bench, searched), _weights(shared_bench, result)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_search_with_a_trial_that_the_model_cannot_do_goes_on(shared_bench: Bench) -> None:
    """More layers than there are is known in the trainer only; the other trials are worth their time."""
    choices = [{"policy": "layers", "layers": 1}, {"policy": "layers", "layers": 7}]
    search = {"sampler": "grid", "parameters": {"freeze": {"choices": choices}}}
    result = shared_bench.train(**{**FIELDS, "search": search})
    good, bad = result.report["search"]["trials"]
    assert (good["state"], bad["state"]) == ("complete", "failed")
    assert "7" in bad["error"]
    assert "value" not in bad


def test_search_with_a_pruner_gives_trials_up(shared_bench: Bench) -> None:
    """A head that hardly learns falls behind the others after an epoch, and is not trained to its end."""
    search = {
        "sampler": "grid",
        "pruner": "median",
        "parameters": {"optimizer.head_lr": {"choices": [3e-2, 2e-2, 1e-7]}},
    }
    told: list[Progress] = []
    result = shared_bench.train(
        told, **{**FIELDS, "search": search, "optimizer": {"epochs": 4}, "freeze": {"policy": "backbone"}}
    )
    trials = result.report["search"]["trials"]
    assert [row["state"] for row in trials[:2]] == ["complete", "complete"]
    assert trials[2]["state"] == "pruned"
    epochs = max(e.epoch for e in told if e.stage == "training" and e.search is not None and e.search.trial == 3)
    assert epochs < 4


#: A trainer that is killed when it is about to tell what the condition describes: no race with a test that watches.
KILLED = """
import os, runpy, signal
from worker.training import protocol
tell = protocol.Progress.to_json_line
def tell_or_die(event):
    trial = event.search.trial if event.search else 0
    if {condition}:
        os.kill(os.getpid(), signal.SIGKILL)
    return tell(event)
protocol.Progress.to_json_line = tell_or_die
runpy.run_module("worker.training", run_name="__main__")
"""
BETWEEN_TRIALS = "event.stage == 'searching' and trial == 3"
IN_A_TRIAL = "event.stage == 'training' and event.step > 0 and trial == 5"


def _run_killed(work: TrainerInput, condition: str) -> None:
    command = (sys.executable, "-c", KILLED.format(condition=condition))
    done = subprocess.run(command, input=work.to_json_line(), capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_search_of_a_killed_trainer_goes_on_with_the_trials_that_are_done(
    shared_bench: Bench, searched: Result
) -> None:
    """kill -9 between two trials, then within one: every trial's outcome and the artifact are as without."""
    work = shared_bench.submit(**FIELDS)
    log = trials_log(shared_bench.store, work.job_id)
    _run_killed(work, BETWEEN_TRIALS)
    after_first = [record.writer for record in log.entries()]
    assert len(after_first) == 2
    _run_killed(work.model_copy(update={"claim": 1}), IN_A_TRIAL)
    after_second = [record.writer for record in log.entries()]
    assert len(after_second) == 4
    assert after_second[:2] == after_first
    outcome = shared_bench.run_process(work.model_copy(update={"claim": 2})).last
    assert isinstance(outcome, Result), outcome
    assert [record.writer for record in log.entries()][:4] == after_second

    def told(result: Result) -> list[tuple[Any, ...]]:
        return [(row["parameters"], row["state"], row.get("value")) for row in result.report["search"]["trials"]]

    assert told(outcome) == told(searched)
    expected, weights = _weights(shared_bench, searched), _weights(shared_bench, outcome)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
