"""jobs/<id>/trials/<n>.json: the finished trials of a job, created exclusively, numbered from 1 without a gap.

Owns what a new process must know to go on with a search. A trial that ran when its process died has no record and is
run again from its beginning.
"""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from shared.store.folder import FolderStore
from shared.store.log import DenseLog
from shared.store.records import Record

TrialState = Literal["complete", "pruned", "failed"]


class TrialRecord(Record):
    """One finished trial. `value` is the objective after the last epoch that it saw; None where it failed."""

    parameters: dict[str, JsonValue]
    state: TrialState
    value: float | None = None
    #: The objective after each whole epoch before the last, in order: what pruning went by.
    by_epoch: tuple[float, ...] = ()
    seconds: float = 0.0
    #: The earlier trial with the same values, whose outcome this one has without being run; 0: none.
    same_as: int = 0
    error: str = ""


def trials_log(store: FolderStore, job_id: str) -> DenseLog[TrialRecord]:
    """The trials of a job that are done."""
    return DenseLog(store, f"jobs/{job_id}/trials", TrialRecord)


def record_trial(log: DenseLog[TrialRecord], number: int, record: TrialRecord) -> TrialRecord:
    """Append trial `number`; what stands there afterwards: another attempt may have been quicker."""
    log.append(lambda entries: record if len(entries) == number - 1 else None)
    return log.entries()[number - 1]
