"""Continuing from a version and adding a task to it, from TrainJob to Predict, through real processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from polyhead.errors import InvalidArgumentError
from polyhead.results import Job, PredictResult
from tests.integration.multitask.conftest import LABELS, spec, task
from tests.workers.stack import Stack
from worker.data.known import is_known

SENTENCES = ["what a good and happy day", "the worst meeting in the city", "a train and a river on monday", "no"]
BACKBONE = {"policy": "backbone"}


@dataclass(frozen=True)
class Lineage:
    """first: mood and topics, with the encoder. second: team added to it. third: mood again, nothing trained."""

    first: Job
    before: list[PredictResult]
    second: Job
    after: list[PredictResult]
    third: Job


def ask(stack: Stack, version: int) -> list[PredictResult]:
    """One sentence at a time, so that nothing but the model can make a difference."""
    stack.wait_until_served(version)
    answers = [stack.client.predict([sentence], include_embedding=True) for sentence in SENTENCES]
    assert {answer.model_version for answer in answers} == {version}
    return answers


@pytest.fixture(scope="module")
def lineage(stack: Stack) -> Lineage:
    first = stack.train(spec(task("mood"), task("topics"), layerwise_lr={"base_lr": 2e-3}))
    before = ask(stack, first.version)
    second = stack.train(spec(task("team"), base={"version": first.version}, freeze=BACKBONE))
    after = ask(stack, second.version)
    third = stack.train(spec(task("mood"), base={"version": second.version}, freeze={"policy": "all"}))
    return Lineage(first, before, second, after, third)


def test_added_task_leaves_embeddings_and_other_heads_bit_identical(stack: Stack, lineage: Lineage) -> None:
    """Stored vectors and thresholds tuned on the old answers stay good: not nearly, but exactly."""
    first, second = (stack.artifact(job.version) for job in (lineage.first, lineage.second))
    assert first.manifest.encoder_id == second.manifest.encoder_id
    assert first.manifest.files["model.safetensors"] == second.manifest.files["model.safetensors"]
    assert [entry.name for entry in second.manifest.tasks] == ["mood", "topics", "team"]
    assert second.manifest.tasks[:2] == first.manifest.tasks
    old, new = (load(artifact.read("heads.safetensors")) for artifact in (first, second))
    assert {name for name in new if not name.startswith("team.")} == set(old)
    assert all(old[name].tobytes() == new[name].tobytes() for name in old)
    for before, after in zip(lineage.before, lineage.after, strict=True):
        assert after[0].embedding == before[0].embedding
        for name in ("mood", "topics"):
            assert after[0][name] == before[0][name]
        assert set(after[0].predictions) == {"mood", "topics", "team"}


def test_parent_and_what_was_taken_over_are_on_record(stack: Stack, lineage: Lineage) -> None:
    """Who asks later where a head came from finds it in version, manifest and report."""
    versions = {version.number: version for version in stack.client.list_versions()}
    assert versions[lineage.first.version].parent == 0
    assert versions[lineage.second.version].parent == lineage.first.version
    manifest = stack.artifact(lineage.second.version).manifest
    assert manifest.parent_version == lineage.first.version
    assert lineage.second.report["base"] == {
        "version": lineage.first.version, "continued": [], "carried": ["mood", "topics"], "trained_anew": [],
    }  # fmt: skip
    assert manifest.metrics["mood"] == stack.artifact(lineage.first.version).manifest.metrics["mood"]
    assert set(versions[lineage.second.version].metrics) == {"mood", "topics", "team"}
    assert "team" in lineage.second.report["data"]


def test_head_of_a_continued_task_starts_bit_equal(stack: Stack, lineage: Lineage) -> None:
    """With nothing trained, what comes out is what the job started from: encoder and head of the parent."""
    assert lineage.third.report["base"]["continued"] == ["mood"]
    second, third = (stack.model(job.version).model for job in (lineage.second, lineage.third))
    for (name, old), (other, new) in zip(second.named_parameters(), third.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(old, new), name
    assert [task.name for task in third.tasks] == ["mood", "topics", "team"]


def test_known_rows_grow_and_stay_out_of_the_held_out_rows(stack: Stack, lineage: Lineage) -> None:
    """The third job has only rows that its grandparent saw or held out: it holds out the same ones again."""
    known = [load(stack.artifact(job.version).read("known_rows.safetensors")) for job in (lineage.first, lineage.third)]
    assert set(known[0]) == {"mood", "topics"}
    assert set(known[1]) == {"mood", "topics", "team"}
    assert all(np.isin(known[0][name], known[1][name]).all() for name in known[0])
    train = lineage.first.report["data"]["mood"]["rows"]["train"]
    assert len(known[0]["mood"]) == pytest.approx(train, abs=3)
    assert not is_known(SENTENCES, known[1].values()).any()
    assert "known_held_out" not in lineage.third.report["data"]["mood"]


def test_bad_base_is_refused_with_all_violations_and_nothing_is_queued(stack: Stack, lineage: Lineage) -> None:
    """What only the store can tell is told in the same breath as what the spec itself has wrong."""
    version = lineage.second.version
    weights = {"policy": "explicit", "weights": {"up": -1, "sideways": 1}}
    cases = {
        ("base.version",): spec(task("mood"), base={"version": 999}),
        ("base.carry",): spec(task("mood"), base={"version": version}),
        ("base.version", "tasks[0].class_weights.weights.up", "tasks[0].class_weights.weights[sideways]"): spec(
            task("mood", class_weights=weights), base={"version": 999}
        ),
        ("base.carry", "sampling.mixing", "tasks[1].name"): spec(
            task("mood"), task("mood"), base={"version": version}, sampling={"across": "round_robin"}
        ),
    }
    jobs = stack.store.list("jobs")
    for fields, body in cases.items():
        for validate_only in (True, False):
            with pytest.raises(InvalidArgumentError) as caught:
                stack.client.train_job(body, validate_only=validate_only)
            assert tuple(sorted(violation.field for violation in caught.value.violations)) == fields
    assert stack.store.list("jobs") == jobs
    with pytest.raises(InvalidArgumentError, match=r"name these tasks in this job too, set freeze\.policy to backbone"):
        stack.client.train_job(cases["base.carry",])
    with pytest.raises(InvalidArgumentError, match="is 999, but there is no such version; the newest is"):
        stack.client.train_job(cases["base.version",])


def test_carrying_is_no_question_where_all_tasks_are_named_or_given_up(stack: Stack, lineage: Lineage) -> None:
    """The refusal names three ways out; all three are open."""
    version = lineage.second.version
    for body in (
        spec(*(task(name) for name in LABELS), base={"version": version}),
        spec(task("mood"), base={"version": version}, freeze=BACKBONE),
        spec(task("mood"), base={"version": version, "carry": False}),
    ):
        assert stack.client.train_job(body, validate_only=True) is None
