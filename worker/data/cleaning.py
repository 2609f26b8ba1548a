"""Raw rows -> rows to train on; every row that is left out is counted by reason.

Owns what counts as unusable. Does not look for near-duplicates (similarity does) nor split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from shared.errors import DataError
from worker.data.labels import LabelDecoder, canonical
from worker.data.rows import RawTable, Rows

BLANK_ROW = "blank row"
BLANK_TEXT = "blank text"
STRAY_LABEL = "stray label"
MISSING_LABEL = "missing label"
DUPLICATE = "duplicate (same text, same label)"
CONFLICTING = "conflicting (one text, several labels)"


@dataclass(frozen=True, slots=True)
class CleanTable:
    """Usable rows of one file, and why the others are not."""

    rows: Rows
    dropped: Counter[str]


def decode_rows(table: RawTable, decoder: LabelDecoder) -> CleanTable:
    """Drop rows without text or label; turn labels into ids. Repeated texts stay.

    Texts lose the white space around them: a tokenizer does not see it, and repeated texts differ by it.

    Raises:
        DataError: on a label that is neither the task's nor mapped; names file, row, column and value.
    """
    decoder = decoder.with_mapping(table.mapping)
    dropped: Counter[str] = Counter()
    texts: list[str] = []
    ids: list[int] = []
    for row in table.rows:
        text = row.text.strip()
        if row.is_blank:
            dropped[BLANK_ROW] += 1
        elif row.label in decoder.stray:
            dropped[STRAY_LABEL] += 1
        elif not text:
            dropped[BLANK_TEXT] += 1
        elif not row.label:
            dropped[MISSING_LABEL] += 1
        else:
            label_id = decoder.ids.get(canonical(row.label))
            if label_id is None:
                raise DataError(
                    f"{table.place(row)}, column {table.label_column!r}: unknown label {row.label!r}; "
                    f"known: {', '.join(decoder.spellings)}; add it to labels or say in label_map what it means"
                )
            texts.append(text)
            ids.append(label_id)
    return CleanTable(Rows(texts, np.array(ids, dtype=np.int64)), dropped)


def drop_repeated(rows: Rows) -> CleanTable:
    """Keep the first of rows that say the same; of a text with several labels keep none."""
    label_of: dict[str, int] = {}
    conflicting: set[str] = set()
    for text, label_id in zip(rows.texts, rows.label_ids.tolist(), strict=True):
        if label_of.setdefault(text, label_id) != label_id:
            conflicting.add(text)
    dropped: Counter[str] = Counter()
    keep: list[int] = []
    seen: set[str] = set()
    for index, text in enumerate(rows.texts):
        if text in conflicting:
            dropped[CONFLICTING] += 1
        elif text in seen:
            dropped[DUPLICATE] += 1
        else:
            seen.add(text)
            keep.append(index)
    return CleanTable(rows.take(np.array(keep, dtype=np.int64)), dropped)
