"""Which rows candidate and champion are compared on, task by task, or why a task is not judged. Pure.

Rows that either was trained on are left out: they would flatter it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared.model import Task
from worker.data.known import Hashes, is_known
from worker.data.rows import Rows

#: With fewer rows one answer moves macro-F1 by more than a few hundredths, so a figure says little.
MIN_ROWS = 30


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`rows` is None where the task is not judged; `note` says why, or what was left out."""

    rows: Rows | None
    note: str = ""


def choose_rows(
    own: Task, theirs: Task, test: Rows, version: int, trained_on: Mapping[str, Hashes] | None, before: Hashes
) -> HeldOut:
    """`theirs` is the task of the champion, `version`.

    `trained_on`: the champion's training texts by task, None where it does not tell. `before`: those that trained the
    candidate before this job.
    """
    if own.kind != theirs.kind:
        return HeldOut(None, f"version {version} has it as {theirs.kind}")
    if set(own.labels) != set(theirs.labels):
        return HeldOut(None, f"version {version} has the labels {', '.join(theirs.labels)}")
    is_old = is_known(test.texts, [*(trained_on or {}).values(), before])
    fresh = test.take(np.flatnonzero(~is_old)) if is_old.any() else test
    if len(fresh) < MIN_ROWS:
        seen = f"; {int(is_old.sum())} more were trained on before" if is_old.any() else ""
        return HeldOut(None, f"{len(fresh)} held-out rows are too few, {MIN_ROWS} are needed{seen}")
    notes = []
    if is_old.any():
        notes.append(f"{int(is_old.sum())} held-out rows left out that were trained on before")
    if trained_on is None:
        notes.append(f"version {version} does not tell what it was trained on, so these rows may flatter it")
    return HeldOut(fresh, "; ".join(notes))
