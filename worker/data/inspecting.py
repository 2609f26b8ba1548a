"""What `check` says about data: rows, labels, lengths, what would be dropped, repeats, leakage between splits.

Pure computation on tables that were read; tables.py shows the result. Slow parts report through `say`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worker.data.cleaning import CONFLICTING, DUPLICATE, decode_rows, drop_repeated
from worker.data.labels import LabelDecoder
from worker.data.readers import Split
from worker.data.rows import RawTable
from worker.data.similarity import count_near_duplicates, near_duplicates_across
from worker.data.tokens import token_counts

#: 256 is the window of all-MiniLM-L6-v2, 128 the length that it was trained with (its model card).
WINDOWS = (256, 128)
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}")
#: A lead byte of UTF-8 shown as latin-1, with a continuation byte after it; or the replacement character.
_MOJIBAKE = re.compile(r"[\u00c2-\u00f4][\u0080-\u00bf]|\u00e2\u20ac|\ufffd")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """One split's figures. `usable` has text and a known label; repeated texts are among them."""

    split: str
    file: str
    encoding: str
    num_read: int
    usable: int
    dropped: Mapping[str, int]
    labels: Mapping[str, int]
    duplicates: int
    conflicting: int
    near_duplicates: int
    tokens_median: int
    tokens_p95: int
    tokens_max: int
    #: Share of the texts that are longer than so many tokens.
    truncated: Mapping[str, float]
    literal_escapes: int
    mojibake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """How many rows of `split` are near-duplicates (or copies) of a row of `into`."""

    split: str
    into: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything `check` found."""

    splits: tuple[SplitReport, ...]
    leakage: tuple[Leakage, ...]

    @property
    def findings(self) -> list[str]:
        """What a person should mend before training, in words."""
        found = [
            f"{leak.rows:,} rows of {leak.split} are near-duplicates of rows of {leak.into}"
            for leak in self.leakage
            if leak.rows
        ]
        for split in self.splits:
            if split.conflicting:
                found.append(f"{split.conflicting:,} rows of {split.split} have a text that carries several labels")
            empty = [label for label, count in split.labels.items() if not count]
            if empty:
                found.append(f"{split.split} has no row with the label {', '.join(empty)}")
        return found


def inspect(
    tables: Mapping[Split, RawTable], decoder: LabelDecoder, tokenizer_file: Path, say: Callable[[str], None]
) -> Report:
    """Look at the tables of one task, by split.

    Raises:
        DataError: on an unknown label, or a tokenizer that cannot be read.
    """
    splits, texts = [], {}
    for split, table in tables.items():
        say(f"{split}: lengths and near-duplicates of {len(table.rows):,} rows")
        report, texts[split] = _inspect_split(split, table, decoder, tokenizer_file)
        splits.append(report)
    leakage = []
    if len(tables) > 1:
        say("near-duplicates between the splits")
        names = list(tables)
        found = near_duplicates_across([texts[name] for name in names])
        leakage = [
            Leakage(split=later, into=earlier, rows=int(found[i][:, j].sum()))
            for j, earlier in enumerate(names)
            for i, later in enumerate(names)
            if i < j
        ]
    return Report(splits=tuple(splits), leakage=tuple(leakage))


def _inspect_split(
    split: str, table: RawTable, decoder: LabelDecoder, tokenizer_file: Path
) -> tuple[SplitReport, list[str]]:
    clean = decode_rows(table, decoder)
    texts = clean.rows.texts
    repeated = drop_repeated(clean.rows).dropped
    lengths = token_counts(texts, tokenizer_file) if texts else np.zeros(1, dtype=np.int64)
    counts = np.bincount(clean.rows.label_ids, minlength=len(decoder.labels)).tolist()
    report = SplitReport(
        split=split,
        file=table.name,
        encoding=table.encoding,
        num_read=len(table.rows),
        usable=len(texts),
        dropped=dict(clean.dropped),
        labels=dict(zip(decoder.labels, counts, strict=True)),
        duplicates=repeated[DUPLICATE],
        conflicting=repeated[CONFLICTING],
        near_duplicates=count_near_duplicates(texts),
        tokens_median=int(np.median(lengths)),
        tokens_p95=int(np.percentile(lengths, 95)),
        tokens_max=int(lengths.max()),
        truncated={str(window): float((lengths > window).mean()) for window in WINDOWS},
        literal_escapes=sum(bool(_ESCAPE.search(text)) for text in texts),
        mojibake=sum(bool(_MOJIBAKE.search(text)) for text in texts),
    )
    return report, texts
