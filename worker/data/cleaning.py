"""Raw rows -> rows to train on; every row that is left out is counted by reason.

Owns what counts as unusable. Does not look for near-duplicates (similarity does) nor split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.data.labels import LabelDecoder
from worker.data.multi_labels import MultiLabelDecoder
from worker.data.rows import RawTable, Rows

Decoder = LabelDecoder | MultiLabelDecoder

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


def decode_rows(table: RawTable, decoder: Decoder) -> CleanTable:
    """Drop rows without text or label; turn labels into ids. Repeated texts stay.

    Texts lose the white space around them: a tokenizer does not see it, and repeated texts differ by it.

    Raises:
        DataError: on a label that is neither the task's nor mapped; names file, row, column and value.
    """
    decoder = decoder.for_table(table)
    dropped: Counter[str] = Counter()
    texts: list[str] = []
    decoded: list[Any] = []
    for row in table.rows:
        text = row.text.strip()
        if row.is_blank:
            dropped[BLANK_ROW] += 1
        elif decoder.is_stray(row):
            dropped[STRAY_LABEL] += 1
        elif not text:
            dropped[BLANK_TEXT] += 1
        elif decoder.is_missing(row):
            dropped[MISSING_LABEL] += 1
        else:
            decoded.append(decoder.decode(row, table))
            texts.append(text)
    return CleanTable(Rows(texts, decoder.as_array(decoded)), dropped)


def drop_repeated(rows: Rows) -> CleanTable:
    """Keep the first of rows that say the same; of a text with several labels keep none."""
    labels_of: dict[str, Any] = {}
    conflicting: set[str] = set()
    for text, labels in zip(rows.texts, rows.label_ids.tolist(), strict=True):
        if labels_of.setdefault(text, labels) != labels:
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
