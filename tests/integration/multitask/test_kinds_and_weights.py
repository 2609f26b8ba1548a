"""Multi-label tasks, class weights and sampling, from TrainJob to Predict, through real processes."""

from __future__ import annotations

import pytest

from polyhead.results import Job
from tests.integration.multitask.conftest import LABELS, spec, task
from tests.workers.stack import Stack

ROUND_ROBIN = spec(
    task("mood"),
    task("team"),
    freeze={"policy": "backbone"},
    gate={"policy": "off"},
    sampling={"across": "round_robin", "mixing": "one_task"},
)
MULTI_LABEL = spec(
    task("mood", class_weights={"policy": "balanced"}, weight=0.5),
    task("topics", class_weights={"policy": "explicit", "weights": {"a": 2.0, "c": 0.5}}),
    layerwise_lr={"base_lr": 2e-3},
    sampling={"across": "temperature", "temperature": 1000},
    baselines=True,
    gate={"policy": "off"},  # it has other tasks than the one before, and is to be served nevertheless
)


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> tuple[Job, Job]:
    """Both jobs, queued at once and run one after the other: the multi-label model is the one that serves then."""
    ids = [stack.submit(ROUND_ROBIN), stack.submit(MULTI_LABEL)]
    first, second = (stack.succeeded(job_id) for job_id in ids)
    return first, second


def test_multi_label_job_learns_and_its_model_tells_sets_of_labels(stack: Stack, jobs: tuple[Job, Job]) -> None:
    """The whole chain: cells with separators, loss, thresholds, manifest, engine, answer."""
    job = jobs[1]
    metrics = job.metrics["topics"]
    assert metrics["model"]["macro_f1"] > metrics["majority"]["macro_f1"] + 0.3
    assert set(metrics["model"]["labels"]) == set(LABELS["topics"])
    assert job.metrics["mood"]["model"]["confusion"]
    thresholds = job.report["thresholds"]["topics"]
    entry = stack.artifact(job.version).manifest.tasks[1]
    assert dict(zip(entry.labels, entry.thresholds, strict=True)) == thresholds
    stack.wait_until_served(job.version)
    words = ["awful bad terrible day", "monday meeting and a train", "awful bad and monday meeting train", "it was in"]
    answers = [result["topics"] for result in stack.client.predict(words, tasks=["topics"])]
    for answer in answers:
        assert answer.labels == tuple(label for label in LABELS["topics"] if answer.scores[label] >= thresholds[label])
    assert answers[0].scores["a"] > answers[1].scores["a"]
    assert answers[1].scores["c"] > answers[0].scores["c"]


def test_class_weights_are_those_of_the_rows_and_of_the_spec(jobs: tuple[Job, Job]) -> None:
    """Balanced: n / (k * count) of the training rows. The report tells what the loss was weighted with."""
    factors = jobs[1].report["class_weights"]
    rare, common = factors["mood"]["up"], factors["mood"]["down"]
    assert 1 / rare + 1 / common == pytest.approx(2, abs=1e-6), "k labels whose shares add up to one"
    assert rare > 2 > common
    assert factors["topics"] == {"a": 2, "b": 1, "c": 0.5}
    assert "class_weights" not in jobs[0].report


def test_sampling_across_tasks_draws_the_shares_that_were_asked_for(jobs: tuple[Job, Job]) -> None:
    """mood has three times the rows of team; only proportional sampling keeps that."""
    turns, equal = (job.report["rows_per_epoch"] for job in jobs)
    train = {name: body["rows"]["train"] for job in jobs for name, body in job.report["data"].items()}
    assert train["mood"] > 2 * train["team"]
    assert turns["team"] > train["team"], "its few rows were drawn again"
    assert jobs[0].report["steps"] % 2 == 0, "whole rounds"
    assert abs(equal["mood"] - equal["topics"]) <= 2
    assert sum(equal.values()) == pytest.approx(train["mood"] + train["topics"], abs=20)
