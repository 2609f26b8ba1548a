"""The data of a task by itself, read as a job of this task alone would read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from shared.spec import SplitSpec, TaskSpec
from worker.data.ledger import TaskData
from worker.data.loading import load_tasks


def load_task(
    task: TaskSpec, split: SplitSpec, roots: Sequence[Path], on_progress: Callable[[str], None] | None = None
) -> TaskData:
    return load_tasks([task], split, roots, on_progress=on_progress)[0]
