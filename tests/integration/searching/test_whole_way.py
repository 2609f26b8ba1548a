"""LoRA, search and several processes from TrainJob to what serves, through real processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from polyhead.errors import InvalidArgumentError
from polyhead.results import Job, JobState
from shared.base_model import load_base_model
from tests.tiny_rows import make_multi_label_rows, make_rows, write_csv
from tests.workers.stack import Stack

TASKS = [
    {"name": "mood", "labels": ["down", "up"], "data": {"train": "mood.csv"}},
    {"name": "topics", "kind": "multi_label", "labels": ["a", "b", "c"], "data": {"train": "topics.csv"}},
]
COMMON: dict[str, Any] = {"baselines": False, "gate": {"policy": "off"}, "layerwise_lr": {"base_lr": 2e-3}}
SEARCH: dict[str, Any] = {
    "sampler": "tpe",
    "trials": 6,
    "metric": {"mood.macro_f1": 1, "topics.micro_f1": 2},
    "parameters": {
        "optimizer.head_lr": {"low": 1e-4, "high": 3e-2, "log": True},
        "freeze": {"choices": [{"policy": "backbone"}, {"policy": "layers", "layers": 1}]},
        "lora.rank": {"low": 1, "high": 4},
    },
}
#: freeze backbone and adapters contradict each other, which a search must not find out in its third trial.
PLAIN_PARAMETERS = {path: values for path, values in SEARCH["parameters"].items() if path != "lora.rank"}


def _spec(**fields: Any) -> dict[str, Any]:
    return {"tasks": TASKS, **COMMON, **fields}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), tiny_base)
    write_csv(stack.data / "mood.csv", make_rows(120, 2, seed=1), ["down", "up"])
    write_csv(stack.data / "topics.csv", make_multi_label_rows(120, seed=3), ["a", "b", "c"])
    with stack:
        yield stack


@pytest.fixture(scope="module")
def watched(stack: Stack) -> list[Job]:
    """Everything that a client who watches a search is told, to its end."""
    search = SEARCH | {"parameters": PLAIN_PARAMETERS}
    return list(stack.client.watch_job(stack.submit(_spec(search=search))))


def test_search_is_told_while_it_runs_and_its_best_trial_serves(stack: Stack, watched: list[Job]) -> None:
    """Rows of the table appear one by one; the version says with which values it was trained."""
    stands = [job.progress.search for job in watched if job.progress is not None and job.progress.search is not None]
    assert [len(stand.done) for stand in stands] == sorted(len(stand.done) for stand in stands)
    assert {stand.trials for stand in stands} == {6}
    job = watched[-1]
    assert (job.state, job.version > 0) == (JobState.SUCCEEDED, True), job.error
    search = job.report["search"]
    assert [row["state"] for row in search["trials"]] == ["complete"] * 6
    assert search["objective"] == "1 x mood.macro_f1 + 2 x topics.micro_f1"
    best = search["trials"][search["best"] - 1]
    assert best["value"] == max(row["value"] for row in search["trials"])
    spec = stack.artifact(job.version).manifest.hyperparameters
    assert spec["optimizer"]["head_lr"] == best["parameters"]["optimizer.head_lr"]
    assert spec["freeze"]["policy"] == best["parameters"]["freeze"]["policy"]
    stack.wait_until_served(job.version)
    assert stack.client.predict(["a happy day"]).results[0]["mood"].label in ("down", "up")


def test_search_to_report_ends_without_a_version(stack: Stack, watched: list[Job]) -> None:
    """The job has succeeded, nothing waits for a publication, and what served before serves on."""
    search = {"sampler": "grid", "then": "report", "parameters": {"optimizer.epochs": {"choices": [1, 2]}}}
    job = list(stack.client.watch_job(stack.submit(_spec(search=search))))[-1]
    assert (job.state, job.version, job.metrics) == (JobState.SUCCEEDED, 0, {})
    assert len(job.report["search"]["trials"]) == 2
    later = stack.train(_spec(freeze={"policy": "backbone"}))
    assert later.version == watched[-1].version + 1, "the next version follows the last one"


def test_lora_job_serves_merged_weights(stack: Stack, tiny_base: Path) -> None:
    """Only weights of the adapted modules moved, and the served model needs no adapters."""
    job = stack.train(_spec(lora={"rank": 2, "targets": ["query", "value"]}))
    report = job.report["lora"]
    assert report["targets"] == ["attention.self.query", "attention.self.value"]
    assert report["merge_difference"] <= 1e-5
    before = load_base_model(str(tiny_base)).encoder.state_dict()
    after: Mapping[str, torch.Tensor] = stack.model(job.version).model.encoder.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {f"encoder.layer.{n}.attention.self.{part}.weight" for n in (0, 1) for part in ("query", "value")}
    stack.wait_until_served(job.version)


def test_job_of_two_processes_is_published_like_any_other(stack: Stack) -> None:
    """Started by the trainer, which the worker started: three generations of processes, one artifact."""
    job = stack.train(_spec(distributed={"processes": 2}))
    assert job.report["processes"] == 2
    stack.model(job.version)
    stack.wait_until_served(job.version)


def test_search_that_cannot_work_is_refused_with_all_violations_and_queues_nothing(stack: Stack) -> None:
    """Fields, values and combinations are looked at when the job is sent."""
    jobs = {job.id for job in stack.client.list_jobs(100)}
    search = SEARCH | {"metric": {"mood.micro_f1": 1, "x.ece": 1}}
    with pytest.raises(InvalidArgumentError) as error:
        stack.submit(_spec(search=search, distributed={"processes": 2}))
    fields = [violation.field for violation in error.value.violations]
    assert fields == [
        "distributed.processes",
        "search.metric[mood.micro_f1]",
        "search.metric[x.ece]",
        "search.parameters",
    ]
    assert "lora: goes with freeze.policy none, heads, layers, not with backbone" in str(error.value)
    assert {job.id for job in stack.client.list_jobs(100)} == jobs
