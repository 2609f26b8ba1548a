"""What was read and dropped of one task's files, and what the trainer gets in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.data.readers import Split
from worker.data.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """A task's rows and where they came from."""

    train: Rows
    validation: Rows
    test: Rows
    #: Rows in the files that were read, whether used or not.
    num_read: int
    #: Rows that are in none of the three, by reason; and the same for each file.
    dropped: Mapping[str, int]
    dropped_by_file: Mapping[str, Mapping[str, int]]
    #: Names are relative to the data root.
    sha256: Mapping[str, str]
    files: Mapping[str, str]
    encodings: Mapping[str, str]
    #: Held-out rows by part whose text trained a version that this job continues from.
    known_held_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """What was read and dropped so far."""

    num_read: int = 0
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)

    def drop(self, file: str, reason: str, num: int) -> None:
        self.drop_all(file, Counter({reason: num}))

    def drop_all(self, file: str, dropped: Counter[str]) -> None:
        self.dropped.setdefault(file, Counter()).update(dropped)

    def close(self, train: Rows, held_out: Mapping[Split, Rows], known_held_out: Mapping[str, int]) -> TaskData:
        """All that is known of the task, once its rows have their parts."""
        totals: Counter[str] = Counter()
        for dropped in self.dropped.values():
            totals.update(dropped)
        return TaskData(
            train=train,
            validation=held_out["validation"],
            test=held_out["test"],
            num_read=self.num_read,
            dropped=dict(totals),
            dropped_by_file={file: dict(dropped) for file, dropped in self.dropped.items()},
            sha256=self.sha256,
            files=self.files,
            encodings=self.encodings,
            known_held_out=known_held_out,
        )
