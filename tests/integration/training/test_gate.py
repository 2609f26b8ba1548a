"""The gate with real trainings: a candidate against the served version, by the trainer and in a rematch's process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.redis_client import connect
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState, JobStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import versions_log
from tests.integration.training.conftest import LABELS, Bench
from tests.tiny_rows import make_rows, write_csv
from worker.gate.rematch import Rematch, RematchInput
from worker.gate.verdict import Verdict, verdict_of
from worker.job_ledger import JobLedger
from worker.publishing.publisher import Publisher
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal
from worker.training.job import run_job
from worker.training.protocol import Result

LEARNS: dict[str, Any] = {"layerwise_lr": {"base_lr": 2e-3}, "optimizer": {"head_lr": 2e-2, "epochs": 6}}
#: The heads stay as they were drawn.
LEARNS_NOTHING: dict[str, Any] = {"freeze": {"policy": "all"}}


@dataclass(frozen=True)
class Works:
    """A bench whose results are published by a real publisher with real rematches."""

    bench: Bench
    publisher: Publisher

    @property
    def store(self) -> FolderStore:
        return self.bench.store

    def train(self, **fields: Any) -> tuple[str, Result]:
        """A job up to its recorded result; nothing is published."""
        work = self.bench.submit(baselines=False, **fields)
        result = run_job(work, lambda event: None)
        log = JobStore(self.store).log(work.job_id)
        log.append(lambda _: JobEntry(kind="claim"))
        log.append(
            lambda _: JobEntry(
                kind="result",
                state=JobState.SUCCEEDED,
                artifact_id=result.artifact_id,
                manifest_sha256=result.manifest_sha256,
                metrics=result.metrics,
                report=result.report,
            )
        )
        return work.job_id, result

    def release_of(self, job_id: str) -> ReleaseRecord:
        return next(entry for entry in releases_log(self.store).entries() if entry.job_id == job_id)


def make_works(folder: Path, base: Path, valkey_url: str) -> Works:
    for number, (name, labels) in enumerate(LABELS.items()):
        write_csv(folder / "data" / f"{name}.csv", make_rows(420, len(labels), seed=number), labels)
    write_csv(folder / "data" / "topic_test.csv", make_rows(60, 3, seed=77), LABELS["topic"])
    bench = Bench(FolderStore(folder / "store"), folder / "data", base)
    shared = RematchInput(store_url=str(bench.store.root), data_roots=(str(bench.root),), threads=1, device="cpu")
    rematch = Rematch(shared, LeaseOffice(connect(valkey_url), valkey_url, 60.0), StopSignal())
    return Works(bench, Publisher(bench.store, JobLedger(bench.store), rematch.judge))


@pytest.fixture
def works(tmp_path: Path, tiny_base: Path, valkey_url: str) -> Works:
    return make_works(tmp_path, tiny_base, valkey_url)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, valkey_url: str) -> Works:
    """Version 1 has learned and is released; for tests that publish nothing more."""
    works = make_works(tmp_path_factory.mktemp("served"), tiny_base, valkey_url)
    works.train(**LEARNS)
    works.publisher.roll_forward()
    return works


def verdict(result: Result) -> Verdict:
    found = verdict_of(result.report)
    assert found is not None
    return found


def test_candidate_is_released_only_if_it_is_as_good_as_the_served_version(works: Works) -> None:
    """First model, the same again, a worse one: released, released, kept; and the records say by what figures."""
    first, _ = works.train(**LEARNS)
    works.publisher.roll_forward()
    assert works.release_of(first).verdict == "not judged: nothing is released yet"
    same, result = works.train(**LEARNS)
    tasks = verdict(result).tasks
    assert {name: task.candidate for name, task in tasks.items()} == {n: task.champion for n, task in tasks.items()}
    assert all(task.rows >= 30 for task in tasks.values())
    works.publisher.roll_forward()
    assert (works.release_of(same).stable, works.release_of(same).verdict) == (2, "passed")
    worse, result = works.train(**LEARNS_NOTHING)
    works.publisher.roll_forward()
    newest = works.release_of(worse)
    assert (newest.stable, newest.aliases) == (2, {"latest": 2})
    assert newest.verdict.startswith("failed: mood macro_f1 ")
    assert versions_log(works.store).entries()[2].verdict == newest.verdict
    card = ArtifactReader(works.store, result.artifact_id, result.manifest_sha256).read("MODEL_CARD.md").decode()
    assert newest.verdict in card


def test_candidate_judged_before_another_was_released_is_judged_again(works: Works) -> None:
    """Two jobs trained side by side. The rematch gives the very figures that the trainer gives afterwards."""
    works.train(**LEARNS)
    late, result = works.train(**LEARNS_NOTHING)
    assert verdict(result).outcome == "not judged"
    works.publisher.roll_forward()
    kept = works.release_of(late)
    assert (kept.stable, kept.judged_against) == (1, 1)
    _, again = works.train(**LEARNS_NOTHING)
    assert kept.verdict == str(verdict(again))
    assert kept.verdict.startswith("failed: mood macro_f1 ")


def test_rematch_on_data_that_has_changed_keeps_the_candidate(works: Works) -> None:
    """Other rows would compare other things; what was shown against an older version is not enough."""
    works.train(**LEARNS)
    late, _ = works.train(**LEARNS)
    write_csv(works.bench.root / "mood.csv", make_rows(420, 2, seed=9), LABELS["mood"])
    works.publisher.roll_forward()
    kept = works.release_of(late)
    assert kept.stable == 1
    assert "mood.csv: is not what the job was trained on" in kept.verdict


@pytest.mark.parametrize(
    ("gate", "begins"),
    [
        ({"policy": "off"}, "not judged: the job's gate is off"),
        ({"max_regression": 1.0}, "passed"),
        ({"max_regression": 1.0, "tasks": {"topic": 0.0}}, "failed: topic macro_f1 "),
        ({"metric": "accuracy"}, "failed: mood accuracy "),
    ],
    ids=["off", "all is allowed", "not for one task", "accuracy"],
)
def test_gate_is_as_the_job_says(served: Works, gate: dict[str, Any], begins: str) -> None:
    """Who knows that a model is worse may release it all the same."""
    _, result = served.train(**LEARNS_NOTHING, gate=gate)
    assert str(verdict(result)).startswith(begins)


def topic(labels: str, **data: Any) -> list[dict[str, Any]]:
    return [{"name": "topic", "labels": list(labels), "data": {"train": "topic.csv", **data}}]


def test_task_of_other_labels_is_not_judged_and_one_that_is_gone_is_told(served: Works) -> None:
    """Figures over other labels do not compare; a task that nobody answers any more must be seen."""
    _, result = served.train(**LEARNS_NOTHING, tasks=topic("xyz", label_map={"a": "x", "b": "y", "c": "z"}))
    assert str(verdict(result)) == "not judged: topic: version 1 has the labels a, b, c"
    assert verdict(result).dropped == ("mood",)


def test_order_of_labels_does_not_matter_to_the_gate(served: Works) -> None:
    """The same classifier with its labels written the other way round is no worse one."""
    figures = []
    for labels in ("abc", "cba"):
        _, result = served.train(**LEARNS_NOTHING, tasks=topic(labels, test="topic_test.csv"))
        figures.append(verdict(result).tasks["topic"].champion)
    assert figures[0] == figures[1]
    assert figures[0] is not None


def test_rows_that_the_served_version_was_trained_on_are_no_test_of_it(served: Works) -> None:
    """Split another way, most of the candidate's test rows have trained the champion, which would win by memory."""
    _, result = served.train(**LEARNS_NOTHING, split={"seed": 99})
    assert verdict(result).outcome == "not judged"
    assert "more were trained on before" in verdict(result).tasks["mood"].note


@pytest.mark.parametrize(("unjudged", "may_release"), [("release", True), ("hold", False)])
def test_task_with_too_few_test_rows_is_held_only_where_the_gate_says_so(
    served: Works, unjudged: str, may_release: bool
) -> None:
    """From the recipe's field to the verdict of a real training."""
    write_csv(served.bench.root / "few.csv", make_rows(12, 3, seed=5), LABELS["topic"])
    few = topic("abc", test="few.csv")
    _, result = served.train(**LEARNS_NOTHING, tasks=few, gate={"unjudged": unjudged})
    assert verdict(result).outcome == "not judged"
    assert "12 held-out rows are too few" in str(verdict(result))
    assert verdict(result).may_release is may_release
    assert ("the job's gate holds what is not judged" in str(verdict(result))) is not may_release


def test_served_version_that_cannot_be_loaded_holds_only_where_the_gate_says_so(works: Works) -> None:
    """Nobody can say that the new one is no worse; a broken model is no reason to keep a good one back unasked."""
    _, first = works.train(**LEARNS_NOTHING)
    works.publisher.roll_forward()
    (works.store.root / "artifacts" / first.artifact_id / "heads.safetensors").write_bytes(b"cut")
    for unjudged, may_release in (("release", True), ("hold", False)):
        _, result = works.train(**LEARNS_NOTHING, gate={"unjudged": unjudged})
        assert str(verdict(result)).startswith("not judged: version 1 cannot be loaded")
        assert verdict(result).may_release is may_release
        assert ("the job's gate holds what is not judged" in str(verdict(result))) is not may_release
