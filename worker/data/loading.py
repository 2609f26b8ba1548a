"""The one entry for the trainer: a task's spec in, its train, validation and test rows out, and a record of both.

Blocking; reads whole files. Deterministic: the same files, spec and seed give the same rows in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.errors import DataError
from shared.spec import DataSpec, SplitSpec, TaskSpec
from worker.data.cleaning import CleanTable, decode_rows, drop_repeated
from worker.data.labels import LabelDecoder, label_decoder
from worker.data.presets import PRESETS
from worker.data.readers import TWEETEVAL_PREFIXES, Layout, Split, read_table
from worker.data.roots import Source, resolve
from worker.data.rows import Rows
from worker.data.similarity import near_duplicate_groups, near_duplicates_across
from worker.data.splitting import split_groups, stratified_sample

HELD_OUT: tuple[Split, ...] = ("validation", "test")
LEAKS_INTO: Mapping[Split, str] = {part: f"leaks into {part} (near-duplicate)" for part in HELD_OUT}
NOT_SAMPLED = "not sampled (max_rows)"


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


@dataclass(slots=True)
class _Ledger:
    """What was read and dropped so far."""

    num_read: int = 0
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)

    def drop(self, file: str, dropped: Counter[str]) -> None:
        self.dropped.setdefault(file, Counter()).update(dropped)


def layout_of(data: DataSpec) -> Layout:
    """How to read the files of `data`: its preset's columns, except those that the spec names otherwise."""
    preset = PRESETS.get(data.preset)
    text_column, label_column = data.text_column, data.label_column
    if preset is not None:
        text_column = preset.text_column if text_column == "text" else text_column
        label_column = preset.label_column if label_column == "label" else label_column
    return Layout(data.format, text_column, label_column, data.encoding)


def load_task(
    task: TaskSpec,
    split: SplitSpec,
    roots: Sequence[Path],
    on_progress: Callable[[str], None] | None = None,
) -> TaskData:
    """Read, clean, sample and split a task's data.

    Held-out files keep their repeated texts, so that figures on a published test set compare; training rows that are
    near-duplicates of held-out ones are dropped instead.

    Raises:
        DataError: if the data cannot be used; names file, and row and column where there is one.
    """
    say = on_progress or (lambda message: None)
    sources = _sources(task, roots)
    ledger = _Ledger()
    decoder = label_decoder(task)
    tables = {part: _read(part, source, task, decoder, ledger, say) for part, source in sources.items()}
    train = tables.pop("train").rows
    name = ledger.files["train"]
    repeated = drop_repeated(train)
    train = repeated.rows
    ledger.drop(name, repeated.dropped)
    _require_labels(train, task, name)
    if 0 < task.data.max_rows < len(train):
        ledger.drop(name, Counter({NOT_SAMPLED: len(train) - task.data.max_rows}))
        train = train.take(stratified_sample(train.label_ids, task.data.max_rows, split.seed))
        _require_labels(train, task, f"{name} (a sample of {task.data.max_rows} rows)")
    parts = _held_out(train, {part: table.rows for part, table in tables.items()}, task, split, ledger, say)
    totals: Counter[str] = Counter()
    for dropped in ledger.dropped.values():
        totals.update(dropped)
    return TaskData(
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        num_read=ledger.num_read,
        dropped=dict(totals),
        dropped_by_file={file: dict(dropped) for file, dropped in ledger.dropped.items()},
        sha256=ledger.sha256,
        files=ledger.files,
        encodings=ledger.encodings,
    )


def _sources(task: TaskSpec, roots: Sequence[Path]) -> dict[Split, Source]:
    """The file or folder of each part that has one. A TweetEval folder brings its own validation and test rows."""
    data = task.data
    prefix = f"task {task.name!r}: data"
    sources: dict[Split, Source] = {"train": resolve(data.train, roots, f"{prefix}.train")}
    given: dict[Split, str] = {"validation": data.validation, "test": data.test}
    for part, value in given.items():
        if value:
            sources[part] = resolve(value, roots, f"{prefix}.{part}")
        elif (
            sources["train"].path.is_dir() and (sources["train"].path / f"{TWEETEVAL_PREFIXES[part]}_text.txt").exists()
        ):
            sources[part] = sources["train"]
    return sources


def _read(
    part: Split, source: Source, task: TaskSpec, decoder: LabelDecoder, ledger: _Ledger, say: Callable[[str], None]
) -> CleanTable:
    say(f"{task.name}: reading {source.name}")
    table = read_table(source, layout_of(task.data), part)
    clean = decode_rows(table, decoder)
    ledger.num_read += len(table.rows)
    ledger.sha256.update(table.sha256)
    ledger.files[part] = table.name
    ledger.encodings[table.name] = table.encoding
    ledger.drop(table.name, clean.dropped)
    if not len(clean.rows):
        raise DataError(f"{table.name}: none of its {len(table.rows)} rows can be used: {_as_text(clean.dropped)}")
    return clean


def _held_out(
    train: Rows,
    given: Mapping[Split, Rows],
    task: TaskSpec,
    split: SplitSpec,
    ledger: _Ledger,
    say: Callable[[str], None],
) -> dict[Split, Rows]:
    """Drop what leaks into the given parts, then split the missing ones off `train`."""
    parts: dict[Split, Rows] = dict(given)
    name = ledger.files["train"]
    if given:
        say(f"{task.name}: looking for near-duplicates between the files")
        parts = _without_leaks({"train": train, **given}, ledger)
        train = parts["train"]
        _require_labels(train, task, f"{name} (without near-duplicates of held-out rows)")
    missing: list[Split] = [part for part in HELD_OUT if part not in parts]
    if missing:
        say(f"{task.name}: looking for near-duplicates among {len(train):,} texts")
        groups = near_duplicate_groups(train.texts)
        shares = {"validation": split.validation, "test": split.test}
        try:
            index = split_groups(train.label_ids, groups, [shares[part] for part in missing], split.seed, task.labels)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        for part, positions in zip(missing, index[1:], strict=True):
            parts[part] = train.take(positions)
        parts["train"] = train.take(index[0])
    return parts


def _without_leaks(parts: Mapping[Split, Rows], ledger: _Ledger) -> dict[Split, Rows]:
    """Drop training rows that are near-duplicates of held-out ones, and validation rows that are of test rows."""
    order: list[Split] = [part for part in ("test", "validation", "train") if part in parts]
    tables = near_duplicates_across([parts[part].texts for part in order])
    kept: dict[Split, Rows] = {}
    for side, part in enumerate(order):
        leaks = np.zeros(len(parts[part]), dtype=bool)
        for other in range(side):
            found = tables[side][:, other] & ~leaks
            if found.any():
                ledger.drop(ledger.files[part], Counter({LEAKS_INTO[order[other]]: int(found.sum())}))
            leaks |= found
        kept[part] = parts[part].take(np.flatnonzero(~leaks))
        if not len(kept[part]):
            raise DataError(f"{ledger.files[part]}: all its rows are near-duplicates of held-out rows")
    return kept


def _require_labels(rows: Rows, task: TaskSpec, name: str) -> None:
    counts = np.bincount(rows.label_ids, minlength=len(task.labels))
    missing = [label for label, count in zip(task.labels, counts, strict=True) if count == 0]
    if len(task.labels) - len(missing) == 1:
        only = task.labels[int(np.argmax(counts))]
        raise DataError(f"{name}: all {len(rows)} usable rows have the label {only!r}; a task needs at least two")
    if missing:
        raise DataError(
            f"{name}: task {task.name!r} has labels without a usable row: {', '.join(missing)}; "
            "remove them from labels or add rows"
        )


def _as_text(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())
