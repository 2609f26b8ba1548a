"""What every rank does before it trains, and all that a peer does.

Evaluation, artifact, checkpoints and report are rank 0's alone. Runs in the main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from shared.errors import DataError
from shared.spec import JobSpec
from shared.store.datasets import DatasetStore
from shared.store.folder import FolderStore, open_store
from worker.data.ledger import TaskData
from worker.training.candidate import Candidate
from worker.training.parent import Parent, load_parent
from worker.training.preparation import Preparation, read_data
from worker.training.progress import ProgressReporter
from worker.training.protocol import TrainerInput
from worker.training.ranks.group import Group, join


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows and what models are built from. `sha256`: of each task's files."""

    data: Sequence[TaskData]
    sha256: dict[str, dict[str, str]]
    parent: Parent | None
    preparation: Preparation


def gather(work: TrainerInput, spec: JobSpec, store: FolderStore, ranks: Group, progress: ProgressReporter) -> Gathered:
    """Read the data of the job, the same on every rank.

    Raises:
        DataError: if any of it cannot be used, or this rank has read other files than rank 0.
        InvalidInputError: if there is no such version to continue from.
    """
    parent = load_parent(store, spec)
    roots = [Path(root) for root in work.data_roots]
    data = read_data(spec, roots, DatasetStore(store), progress, parent)
    sha256 = {task.name: dict(of_task.sha256) for task, of_task in zip(spec.tasks, data, strict=True)}
    theirs = ranks.agree(sha256)
    if sha256 != theirs:
        raise DataError(f"rank {ranks.rank} has read other files than rank 0: {sha256} in place of {theirs}")
    return Gathered(data, sha256, parent, Preparation(work.base_model, data, progress, parent))


def run_peer(work: TrainerInput) -> None:
    """Join the group that the environment describes and train along.

    Raises:
        PolyheadError: as worker.training.job.run_job.
    """
    with closing(join(work.device)) as ranks:
        spec = JobSpec.model_validate(ranks.agree(None))
        progress = ProgressReporter(lambda _: None)
        rows = gather(work, spec, open_store(work.store_url), ranks, progress)
        Candidate(spec, rows.preparation, ranks.device_for(work.device), progress).fit(ranks=ranks)
