"""One file -> train, validation and test files for `split`: what goes where, and writing it with its record.

The files are CSV in UTF-8 with the columns text and label; split.json says how they were made. Blocking.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import DataError
from shared.spec import SplitSpec
from worker.data.cleaning import decode_rows, drop_repeated
from worker.data.labels import LabelDecoder
from worker.data.rows import RawTable, Rows
from worker.data.similarity import near_duplicate_groups
from worker.data.splitting import split_groups

PARTS = ("train", "validation", "test")
RECORD = "split.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """The parts of one file."""

    source: RawTable
    labels: tuple[str, ...]
    split: SplitSpec
    parts: Mapping[str, Rows]
    dropped: Mapping[str, int]
    num_groups: int

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Rows by part and label."""
        counted = {}
        for part, rows in self.parts.items():
            by_label = np.bincount(rows.label_ids, minlength=len(self.labels)).tolist()
            counted[part] = dict(zip(self.labels, by_label, strict=True))
        return counted


def divide(table: RawTable, decoder: LabelDecoder, split: SplitSpec, say: Callable[[str], None]) -> Division:
    """Clean the rows and split them; near-duplicates stay together.

    Raises:
        DataError: on an unknown label, or where a label has too few rows for three parts.
    """
    clean = decode_rows(table, decoder)
    unique = drop_repeated(clean.rows)
    rows = unique.rows
    if not len(rows):
        raise DataError(f"{table.name}: none of its {len(table.rows)} rows can be used")
    say(f"near-duplicates among {len(rows):,} texts")
    groups = near_duplicate_groups(rows.texts)
    try:
        index = split_groups(rows.label_ids, groups, (split.validation, split.test), split.seed, decoder.labels)
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from None
    return Division(
        source=table,
        labels=decoder.labels,
        split=split,
        parts={part: rows.take(positions) for part, positions in zip(PARTS, index, strict=True)},
        dropped=dict(Counter(clean.dropped) + unique.dropped),
        num_groups=len(np.unique(groups)),
    )


def write_division(division: Division, folder: Path, *, force: bool = False) -> dict[str, Any]:
    """Write the parts and their record; the record's content.

    Raises:
        DataError: if the folder holds a split already and `force` is not set, or cannot be written.
    """
    there = [name for name in (*(f"{part}.csv" for part in PARTS), RECORD) if (folder / name).exists()]
    if there and not force:
        raise DataError(f"{folder} already has {', '.join(there)}; name another folder, or overwrite with --force")
    contents = {f"{part}.csv": _as_csv(rows, division.labels) for part, rows in division.parts.items()}
    record = {
        "source": dict(division.source.sha256),
        "encoding": division.source.encoding,
        "seed": division.split.seed,
        "shares": {"validation": division.split.validation, "test": division.split.test},
        "labels": list(division.labels),
        "rows_read": len(division.source.rows),
        "dropped": dict(division.dropped),
        "near_duplicate_groups": division.num_groups,
        "counts": division.counts,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    contents[RECORD] = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            temporary = folder / f".{name}.{os.getpid()}.tmp"
            temporary.write_bytes(content)
            os.replace(temporary, folder / name)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}") from None
    return record


def _as_csv(rows: Rows, labels: tuple[str, ...]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(
        (text, labels[label_id]) for text, label_id in zip(rows.texts, rows.label_ids.tolist(), strict=True)
    )
    return buffer.getvalue().encode()
