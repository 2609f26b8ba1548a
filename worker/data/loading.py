"""The one entry for the trainer: specs of tasks in, their train, validation and test rows out, and a record of both.

Blocking; reads whole files. Deterministic: the same files, specs and seed give the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shared.spec import SplitSpec, TaskSpec
from shared.store.datasets import DatasetStore
from worker.data.holding_out import HELD_OUT, hold_out
from worker.data.known import Hashes, is_known
from worker.data.leaks import drop_leaks
from worker.data.ledger import TaskData
from worker.data.task_files import TaskRows, read_task, require_labels


def load_tasks(
    tasks: Sequence[TaskSpec],
    split: SplitSpec,
    roots: Sequence[Path],
    known: Mapping[str, Hashes] | None = None,
    on_progress: Callable[[str], None] | None = None,
    on_read: Callable[[], None] | None = None,
    datasets: DatasetStore | None = None,
) -> list[TaskData]:
    """Read, clean, sample and split the data of all tasks of a job, together.

    Held-out files keep their repeated texts, so that figures on a published test set compare; training rows of any task
    that are near-duplicates of held-out ones are dropped instead. `known` are hashes of the texts that trained the
    version a job continues from; `on_read` is called when a task's files are read; `datasets` has the uploaded ones.

    Raises:
        DataError: if the data cannot be used; names file, and row and column where there is one.
    """
    say = on_progress or (lambda message: None)
    rows = []
    for task in tasks:
        rows.append(read_task(task, split, roots, say, datasets))
        if on_read is not None:
            on_read()
    drop_leaks(rows, say)
    hold_out(rows, split, known or {}, say)
    for task_rows in rows:
        require_labels(task_rows.train, task_rows.task, f"{task_rows.file} (what is left of it for training)")
    return [_close(task_rows, known or {}) for task_rows in rows]


def _close(rows: TaskRows, known: Mapping[str, Hashes]) -> TaskData:
    counts: dict[str, int] = {part: int(is_known(rows.held_out[part].texts, known.values()).sum()) for part in HELD_OUT}
    return rows.ledger.close(rows.train, rows.held_out, counts)
