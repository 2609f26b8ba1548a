"""One task's files -> clean rows of each part that has a file, with a ledger of what was left out. Blocking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.errors import DataError
from shared.spec import DataSpec, SplitSpec, TaskSpec, parse_reference
from shared.store.datasets import DatasetStore
from worker.data.cleaning import Decoder, decode_rows, drop_repeated
from worker.data.labels import label_decoder
from worker.data.ledger import Ledger
from worker.data.multi_labels import multi_label_decoder
from worker.data.presets import PRESETS
from worker.data.readers import TWEETEVAL_PREFIXES, File, Layout, Split, read_table
from worker.data.roots import Source, resolve
from worker.data.rows import Rows
from worker.data.splitting import stratified_sample
from worker.data.uploads import UploadedSource

NOT_SAMPLED = "not sampled (max_rows)"


@dataclass(slots=True)
class TaskRows:
    """A task's rows so far: of the training file, and of the held-out files it has."""

    task: TaskSpec
    train: Rows
    held_out: dict[Split, Rows]
    ledger: Ledger

    @property
    def file(self) -> str:
        """The training file's name."""
        return self.ledger.files["train"]


def layout_of(data: DataSpec, kind: str = "single_label") -> Layout:
    """How to read the files of `data`: its preset's columns, except those that the spec names otherwise."""
    preset = PRESETS.get(data.preset)
    text_column, label_column = data.text_column, data.label_column
    if preset is not None:
        text_column = preset.text_column if text_column == "text" else text_column
        label_column = preset.label_column if label_column == "label" else label_column
    separator = data.label_separator if kind == "multi_label" else ""
    return Layout(data.format, text_column, label_column, data.encoding, data.label_columns, separator)


def read_task(
    task: TaskSpec,
    split: SplitSpec,
    roots: Sequence[Path],
    say: Callable[[str], None],
    datasets: DatasetStore | None = None,
) -> TaskRows:
    """Read, clean and sample. Held-out files keep their repeated texts, so that figures on published sets compare.

    Raises:
        DataError: if the data cannot be used; names file, and row and column where there is one.
    """
    ledger = Ledger()
    decoder = multi_label_decoder(task) if task.kind == "multi_label" else label_decoder(task)
    sources = _sources(task, roots, datasets)
    parts = {part: _read(part, source, task, decoder, ledger, say) for part, source in sources.items()}
    train = parts.pop("train")
    name = ledger.files["train"]
    repeated = drop_repeated(train)
    train = repeated.rows
    ledger.drop_all(name, repeated.dropped)
    require_labels(train, task, name)
    if 0 < task.data.max_rows < len(train):
        ledger.drop(name, NOT_SAMPLED, len(train) - task.data.max_rows)
        train = train.take(stratified_sample(train.label_ids, task.data.max_rows, split.seed))
        require_labels(train, task, f"{name} (a sample of {task.data.max_rows} rows)")
    return TaskRows(task, train, parts, ledger)


def require_labels(rows: Rows, task: TaskSpec, name: str) -> None:
    """
    Raises:
        DataError: if a label of the task has no row.
    """
    counts = rows.has_label(len(task.labels)).sum(axis=0)
    missing = [label for label, count in zip(task.labels, counts, strict=True) if count == 0]
    if task.kind == "single_label" and len(task.labels) - len(missing) == 1:
        only = task.labels[int(np.argmax(counts))]
        raise DataError(f"{name}: all {len(rows)} usable rows have the label {only!r}; a task needs at least two")
    if missing:
        raise DataError(
            f"{name}: task {task.name!r} has labels without a usable row: {', '.join(missing)}; "
            "remove them from labels or add rows"
        )


def _sources(task: TaskSpec, roots: Sequence[Path], datasets: DatasetStore | None) -> dict[Split, File]:
    """The file or folder of each part that has one. A TweetEval folder brings its own validation and test rows."""
    data = task.data
    prefix = f"task {task.name!r}: data"
    train = _source(data.train, roots, datasets, f"{prefix}.train")
    sources: dict[Split, File] = {"train": train}
    given: dict[Split, str] = {"validation": data.validation, "test": data.test}
    for part, value in given.items():
        if value:
            sources[part] = _source(value, roots, datasets, f"{prefix}.{part}")
        elif isinstance(train, Source) and (train.path / f"{TWEETEVAL_PREFIXES[part]}_text.txt").exists():
            sources[part] = train
    return sources


def _source(value: str, roots: Sequence[Path], datasets: DatasetStore | None, field: str) -> File:
    reference = parse_reference(value)
    if reference is None:
        return resolve(value, roots, field)
    if datasets is None:
        raise DataError(f"{field}: {reference.short} is an uploaded file, and there is no store to read it from")
    return UploadedSource(reference, datasets)


def _read(
    part: Split, source: File, task: TaskSpec, decoder: Decoder, ledger: Ledger, say: Callable[[str], None]
) -> Rows:
    say(f"{task.name}: reading {source.name}")
    table = read_table(source, layout_of(task.data, task.kind), part)
    clean = decode_rows(table, decoder)
    ledger.num_read += len(table.rows)
    ledger.sha256.update(table.sha256)
    ledger.files[part] = table.name
    ledger.encodings[table.name] = table.encoding
    ledger.drop_all(table.name, clean.dropped)
    if not len(clean.rows):
        raise DataError(f"{table.name}: none of its {len(table.rows)} rows can be used: {_as_text(clean.dropped)}")
    return clean.rows


def _as_text(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())
