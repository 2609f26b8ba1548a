"""A store, a data root and a trainer: everything but the supervisor."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shared.spec import parse_spec
from shared.store.folder import FolderStore
from shared.store.jobs import JobStore
from shared.store.records import new_id
from tests.tiny_model import make_tiny_base
from tests.tiny_rows import make_rows, write_csv
from worker.training.job import run_job
from worker.training.protocol import Event, Progress, Result, TrainerInput, parse_event

LABELS = {"mood": ("down", "up"), "topic": ("a", "b", "c")}
COMMAND = (sys.executable, "-m", "worker.training")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trainer process did."""

    job_id: str
    progress: list[Progress]
    last: Event
    stderr: str


@dataclass(frozen=True)
class Bench:
    """Submits jobs on the data below `root`, and runs the trainer in this process or in one of its own."""

    store: FolderStore
    root: Path
    base: Path

    def submit(self, **fields: Any) -> TrainerInput:
        tasks = [{"name": n, "labels": labels, "data": {"train": f"{n}.csv"}} for n, labels in LABELS.items()]
        spec = parse_spec({"tasks": tasks, "optimizer": {"epochs": 1}, **fields})
        job, _ = JobStore(self.store).submit(new_id(), spec)
        return TrainerInput(
            store_url=str(self.store.root),
            job_id=job.job_id,
            claim=0,
            base_model=str(self.base),
            data_roots=(str(self.root),),
            device="cpu",
        )

    def run_process(self, work: TrainerInput, command: Sequence[str] = COMMAND) -> Outcome:
        done = subprocess.run(command, input=work.to_json_line(), capture_output=True, text=True, check=True)
        events = [parse_event(line) for line in done.stdout.splitlines()]
        progress = [event for event in events if isinstance(event, Progress)]
        assert len(progress) == len(events) - 1, "exactly one outcome"
        return Outcome(work.job_id, progress, events[-1], done.stderr)

    def train(self, told: list[Progress] | None = None, **fields: Any) -> Result:
        """Run a job in this process."""
        return run_job(self.submit(**fields), (told if told is not None else []).append)

    def with_base(self, base: Path) -> Bench:
        return replace(self, base=base)

    def artifact_ids(self) -> list[str]:
        """Those that are complete."""
        names = self.store.list("artifacts")
        return [name for name in names if self.store.exists(f"artifacts/{name}/manifest.json")]


def make_bench(folder: Path, base: Path) -> Bench:
    for number, (name, labels) in enumerate(LABELS.items()):
        write_csv(folder / "data" / f"{name}.csv", make_rows(150, len(labels), seed=number), labels)
    return Bench(FolderStore(folder / "store"), folder / "data", base)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def bench(tmp_path: Path, tiny_base: Path) -> Bench:
    return make_bench(tmp_path, tiny_base)


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Bench:
    """For tests that leave the data as they are."""
    return make_bench(tmp_path_factory.mktemp("bench"), tiny_base)
