"""kill -9 of real trainer processes at random steps: what comes out is what would have come out.

Five kills in three jobs. The steps are drawn from a seed, so a failure can be looked at again.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.model_files import ENCODER_FILE, HEADS_FILE
from shared.store.artifacts import ArtifactReader
from tests.integration.training.conftest import Bench, make_bench
from worker.training.job import run_job
from worker.training.protocol import Result, TrainerInput

EVERY = 3
#: 150 rows a task, less what is held out, in batches of 16: some 15 steps an epoch.
COMMON: dict[str, Any] = {
    "baselines": False,
    "checkpoint": {"every_steps": EVERY},
    "optimizer": {"epochs": 3, "rows_per_batch": 16, "precision": "float32"},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Bench:
    return make_bench(tmp_path_factory.mktemp("bench"), tiny_base)


def kill_after(work: TrainerInput, updates: int) -> None:
    command = [sys.executable, "-m", "tests.workers.fatal_trainer", str(updates)]
    done = subprocess.run(command, input=work.to_json_line(), capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def attempt(work: TrainerInput, claim: int) -> TrainerInput:
    return work.model_copy(update={"claim": claim})


def weights(bench: Bench, result: Result) -> list[bytes]:
    artifact = ArtifactReader(bench.store, result.artifact_id, result.manifest_sha256)
    return [artifact.read(name) for name in (ENCODER_FILE, HEADS_FILE)]


@pytest.mark.parametrize(
    ("num_kills", "fields"),
    [
        (3, {"sampling": {"within": "class_balanced"}}),
        (1, {"freeze": {"policy": "gradual", "gradual": {"by": "epoch", "every": 1}}}),
        (1, {"stopping": {"every": "steps", "steps": 4, "patience": 0}, "sampling": {"mixing": "one_task"}}),
    ],
    ids=["balanced, three kills", "gradual", "early stopping"],
)
def test_training_killed_at_random_steps_ends_in_the_same_bits(
    bench: Bench, num_kills: int, fields: dict[str, Any]
) -> None:
    """The promise of resuming. A reference run in this process is the same to the bit, as the seeds' tests show."""
    rng = random.Random(f"{num_kills} {fields}")
    whole = run_job(bench.submit(**COMMON, **fields), lambda _: None)
    work = bench.submit(**COMMON, **fields)
    reached, claim = 0, 1
    for left in range(num_kills, 0, -1):
        # A checkpoint is written while the next steps are done, and certainly there when the next one is due.
        updates = rng.randint(2 * EVERY + 1, (whole.report["steps"] - reached) // (left + 1))
        kill_after(attempt(work, claim), updates)
        reached, claim = reached + updates - 2 * EVERY, claim + 1
    outcome = bench.run_process(attempt(work, claim))
    assert isinstance(outcome.last, Result), outcome
    resumed_at = {event.resumed_at for event in outcome.progress if event.stage == "training"}
    assert resumed_at != {0}, outcome.stderr
    assert weights(bench, outcome.last) == weights(bench, whole)
    for name in ("history", "stopping", "stages", "validation"):
        assert outcome.last.report.get(name) == whole.report.get(name), name
