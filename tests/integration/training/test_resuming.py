"""Trainings that are interrupted and go on: to the same bits, or from the beginning where the same is not possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import DataError
from shared.model_files import ENCODER_FILE, HEADS_FILE
from shared.store.artifacts import ArtifactReader
from shared.store.checkpoints import Checkpoints
from shared.store.jobs import JobStore
from tests.integration.training.conftest import Bench
from tests.tiny_rows import make_rows, write_csv
from worker.training.job import run_job
from worker.training.protocol import Progress, Result, TrainerInput

#: Rows are few, so batches are small: some 30 steps, and a checkpoint after every four.
SMALL = {"epochs": 2, "rows_per_batch": 16, "precision": "float32"}
EVERY_FOUR: dict[str, Any] = {"checkpoint": {"every_steps": 4}, "baselines": False, "optimizer": SMALL}


class Interruption(Exception):
    """The end of a process, as far as the training is concerned."""


def run(
    work: TrainerInput, claim: int, is_over: Callable[[Progress], bool] | None = None
) -> tuple[Result, list[Progress]]:
    """An attempt; it is interrupted at the first report of training for which `is_over`."""
    told: list[Progress] = []

    def emit(event: Progress) -> None:
        told.append(event)
        if is_over is not None and event.stage == "training" and is_over(event):
            raise Interruption

    return run_job(work.model_copy(update={"claim": claim}), emit), told


def interrupt(work: TrainerInput, step: int = 13, claim: int = 1) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.training.progress.INTERVAL_S", 0.0)  # every step is told
        with pytest.raises(Interruption):
            run(work, claim, lambda event: event.step >= step)


def weights(bench: Bench, result: Result) -> list[bytes]:
    artifact = ArtifactReader(bench.store, result.artifact_id, result.manifest_sha256)
    return [artifact.read(name) for name in (ENCODER_FILE, HEADS_FILE)]


def checkpoints(bench: Bench, work: TrainerInput) -> Checkpoints:
    return JobStore(bench.store).checkpoints(work.job_id)


STOPPING = {"stopping": {"every": "steps", "steps": 3, "patience": 0}}
GRADUAL = {"freeze": {"policy": "gradual", "gradual": {"by": "step", "every": 5}}}


@pytest.mark.parametrize(
    "fields", [{}, STOPPING, GRADUAL, {"freeze": {"policy": "backbone"}}, {"lora": {"rank": 2, "dropout": 0.1}}],
    ids=["plain", "stopping", "gradual", "frozen", "lora"],
)  # fmt: skip
def test_interrupted_training_ends_in_the_same_bits(shared_bench: Bench, fields: dict[str, Any]) -> None:
    """The point of checkpoints: neither model nor report can tell that there was an interruption."""
    whole, _ = run(shared_bench.submit(**EVERY_FOUR, **fields), 1)
    work = shared_bench.submit(**EVERY_FOUR, **fields)
    interrupt(work)
    resumed, told = run(work, 2)
    training = [event for event in told if event.stage == "training"]
    assert {event.resumed_at for event in training} == {12}
    assert training[-1].step == training[-1].steps
    assert weights(shared_bench, resumed) == weights(shared_bench, whole)
    for name in ("history", "stopping", "stages", "validation"):
        assert resumed.report.get(name) == whole.report.get(name), name


def test_training_interrupted_after_its_end_is_not_trained_again(shared_bench: Bench) -> None:
    """Killed while evaluating: the state after the last step is saved too."""
    work = shared_bench.submit(**EVERY_FOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.training.job.evaluate_model", _interruption)
        with pytest.raises(Interruption):
            run(work, 1)
    resumed, told = run(work, 2)
    assert not [event for event in told if event.stage == "training"]
    assert weights(shared_bench, resumed) == weights(shared_bench, run(shared_bench.submit(**EVERY_FOUR), 1)[0])


def _interruption(*_: object) -> None:
    raise Interruption


def test_damaged_checkpoint_falls_back_to_the_one_before(
    shared_bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    """A disk that lost a block costs four steps, not the training; and it is said."""
    work = shared_bench.submit(**EVERY_FOUR)
    interrupt(work)
    newest = checkpoints(shared_bench, work).newest_first()[0]
    path = shared_bench.store.path(f"jobs/{work.job_id}/checkpoints/{newest}/moments.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    resumed, told = run(work, 2)
    assert {event.resumed_at for event in told if event.stage == "training"} == {8}
    assert "moments.safetensors is damaged" in capfd.readouterr().err
    assert weights(shared_bench, resumed) == weights(shared_bench, run(shared_bench.submit(**EVERY_FOUR), 1)[0])


def test_checkpoints_that_are_all_damaged_begin_anew(shared_bench: Bench) -> None:
    """Whatever stands there, the job ends in its model."""
    work = shared_bench.submit(**EVERY_FOUR)
    interrupt(work)
    for name in checkpoints(shared_bench, work).newest_first():
        shared_bench.store.path(f"jobs/{work.job_id}/checkpoints/{name}/facts.json").write_text("{}")
    _, told = run(work, 2)
    assert {event.resumed_at for event in told if event.stage == "training"} == {0}


def test_checkpoint_of_another_base_model_is_not_used(
    shared_bench: Bench, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A worker with other settings takes over: half of one training and half of another would be neither."""
    from tests.tiny_model import make_tiny_base

    work = shared_bench.submit(**EVERY_FOUR)
    interrupt(work)
    other = work.model_copy(update={"base_model": str(make_tiny_base(tmp_path / "other", seed=9))})
    _, told = run(other, 2)
    assert {event.resumed_at for event in told if event.stage == "training"} == {0}
    said = capfd.readouterr().err
    assert "is of another training: starting weights was " in said
    assert "training starts from the beginning" in said


def test_data_that_changed_between_two_attempts_fails_the_job(bench: Bench) -> None:
    """The spec names a path; what the first attempt read there is what the job is about."""
    work = bench.submit(**EVERY_FOUR)
    interrupt(work)
    write_csv(bench.root / "topic.csv", make_rows(150, 3, seed=99), ("a", "b", "c"))
    with pytest.raises(DataError, match=r"topic.csv \(task topic\): sha256 was [0-9a-f]{12} and is"):
        run(work, 2)


def test_training_by_default_saves_nothing_before_the_time_has_come(shared_bench: Bench) -> None:
    """A job of seconds need not write hundreds of megabytes."""
    work = shared_bench.submit(baselines=False).model_copy(update={"checkpoint_s": 3600.0})
    run(work, 1)
    assert checkpoints(shared_bench, work).newest_first() == []


def test_training_saves_by_time_if_no_steps_are_named(shared_bench: Bench) -> None:
    """The worker's setting; here so short that it is always due."""
    work = shared_bench.submit(baselines=False).model_copy(update={"checkpoint_s": 1e-6})
    run(work, 1)
    assert checkpoints(shared_bench, work).newest_first() != []
