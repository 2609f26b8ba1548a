"""Files -> raw rows: CSV, TSV, JSONL, Parquet and the TweetEval two-file layout.

Owns formats, columns and row numbers. Does not judge labels or texts (cleaning does). Blocking: reads whole files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import DataError
from worker.data.encodings import decode
from worker.data.roots import Source
from worker.data.rows import RawRow, RawTable
from worker.data.uploads import UploadedSource

File = Source | UploadedSource
Split = Literal["train", "validation", "test"]
#: The names that the TweetEval benchmark gives its files.
TWEETEVAL_PREFIXES: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}
_FORMAT_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file: its format (or auto), its columns, its encoding (or auto)."""

    format: str = "auto"
    text_column: str = "text"
    label_column: str = "label"
    encoding: str = "auto"
    #: In place of `label_column`: a column for each label.
    label_columns: tuple[str, ...] = ()
    #: Between the labels of a cell; empty: a cell has one label. A list in JSON or Parquet is joined with it.
    separator: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read, the text's first."""
        return (self.text_column, *(self.label_columns or (self.label_column,)))

    def row(self, number: int, text: str, cells: list[str], is_blank: bool) -> RawRow:
        """A row from its text and the cells of its label columns."""
        if self.label_columns:
            return RawRow(number, text, "", is_blank, tuple(cells))
        return RawRow(number, text, cells[0], is_blank)


def read_table(source: File, layout: Layout, split: Split = "train") -> RawTable:
    """Read all rows. `split` says which files of a TweetEval folder to take; other formats ignore it.

    Raises:
        DataError: if it cannot be read, is empty, or lacks a column; names file, row and column.
    """
    kind = layout.format if layout.format != "auto" else _guess_format(source)
    if kind == "tweeteval":
        return _read_tweeteval(source, layout, split)
    content = source.read()
    encoding = "utf-8"
    if kind == "parquet":
        rows = list(_parquet_rows(content, source.name, layout))
    else:
        text, encoding = decode(content, source.name, layout.encoding)
        if not text.strip():
            raise DataError(f"{source.name}: the file is empty")
        if kind == "jsonl":
            rows = list(_jsonl_rows(text, source.name, layout))
        else:
            rows = list(_delimited_rows(text, source.name, layout, "\t" if kind == "tsv" else ","))
    if not rows:
        raise DataError(f"{source.name}: the file has no rows")
    return RawTable(
        name=source.name,
        rows=rows,
        label_column=layout.label_column,
        label_columns=layout.label_columns,
        encoding=encoding,
        sha256={source.name: hashlib.sha256(content).hexdigest()},
        mapping={},
    )


def _guess_format(source: File) -> str:
    if source.is_folder:
        return "tweeteval"
    suffix = source.suffix
    if suffix not in _FORMAT_BY_SUFFIX:
        raise DataError(
            f"{source.name}: cannot tell the format by the ending {suffix!r}; "
            "set format to csv, tsv, jsonl, parquet or (for a folder) tweeteval"
        )
    return _FORMAT_BY_SUFFIX[suffix]


def _missing_column(name: str, column: str, there: list[str]) -> DataError:
    # A header is whatever the file has: nothing in it may move the cursor of the terminal that shows the message.
    columns = ", ".join(cell if cell.isprintable() else repr(cell) for cell in there)
    other = next((mark for mark in ";|\t" if len(there) == 1 and column in map(str.strip, there[0].split(mark))), None)
    hint = (
        f"; its cells seem to be separated by {other!r}: write it with commas, or with tabs and format tsv"
        if other
        else ""
    )
    return DataError(f"{name}: there is no column {column!r}; the columns are: {columns}{hint}")


def _delimited_rows(text: str, name: str, layout: Layout, delimiter: str) -> Iterator[RawRow]:
    # strict: a quote that is never closed would otherwise swallow the rest of the file as one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        header = [cell.strip() for cell in next(reader)]
        number = 1
        text_at, *labels_at = (_column_index(header, column, name) for column in layout.columns)
        for number, cells in enumerate(reader, start=2):
            is_blank = not any(cell.strip() for cell in cells)
            if not is_blank and len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                raise DataError(
                    f"{name}, row {number}: {len(cells)} cells, but the header has {len(header)}; "
                    "put quotes around a text that holds the separator"
                )
            cells += [""] * (len(header) - len(cells))
            yield layout.row(number, cells[text_at], [cells[at].strip() for at in labels_at], is_blank)
    except csv.Error as error:
        raise DataError(f"{name}, row {number + 1} (line {reader.line_num}): not valid CSV: {error}") from None


def _column_index(header: list[str], column: str, name: str) -> int:
    if column not in header:
        raise _missing_column(name, column, header)
    if header.count(column) > 1:
        raise DataError(f"{name}: there are {header.count(column)} columns named {column!r}; rename all but one")
    return header.index(column)


def _jsonl_rows(text: str, name: str, layout: Layout) -> Iterator[RawRow]:
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{name}, row {number}: not valid JSON: {error.msg} at character {error.colno}") from None
        if not isinstance(record, dict):
            raise DataError(f"{name}, row {number}: a JSON object is needed, found {type(record).__name__}")
        seen.update(record)
        yield _typed_row(name, number, layout, record)
    for column in layout.columns:
        if seen and column not in seen:
            raise _missing_column(name, column, sorted(seen))


def _parquet_rows(content: bytes, name: str, layout: Layout) -> Iterator[RawRow]:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        columns = file.schema_arrow.names
        for column in layout.columns:
            if column not in columns:
                raise _missing_column(name, column, columns)
        table = file.read(columns=list(layout.columns))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: not a valid Parquet file: {error}") from None
    for number, record in enumerate(table.to_pylist(), start=1):
        yield _typed_row(name, number, layout, record)


def _typed_row(name: str, number: int, layout: Layout, record: dict[str, Any]) -> RawRow:
    values = []
    for column in layout.columns:
        value = record.get(column)
        if isinstance(value, list) and layout.separator and column != layout.text_column:
            value = layout.separator.join(map(str, value))
        if isinstance(value, dict | list | bytes):
            raise DataError(f"{name}, row {number}, column {column!r}: a {type(value).__name__}, not a text or number")
        is_missing = value is None or value != value  # NaN is how tables say "no label"
        values.append("" if is_missing else str(value).lower() if isinstance(value, bool) else str(value))
    text, *cells = values
    cells = [cell.strip() for cell in cells]
    return layout.row(number, text, cells, is_blank=not text.strip() and not any(cells))


def _read_tweeteval(folder: File, layout: Layout, split: Split) -> RawTable:
    if isinstance(folder, UploadedSource) or not folder.is_folder:
        raise DataError(f"{folder.name}: the TweetEval layout is a folder with train_text.txt, train_labels.txt, ...")
    prefix = TWEETEVAL_PREFIXES[split]
    texts_source, labels_source = folder.inside(f"{prefix}_text.txt"), folder.inside(f"{prefix}_labels.txt")
    mapping_source = folder.inside("mapping.txt")
    contents = {s.name: s.read() for s in (texts_source, labels_source, mapping_source)}
    text, encoding = decode(contents[texts_source.name], texts_source.name, layout.encoding)
    texts = _lines(text)
    labels = [line.strip() for line in _lines(decode(contents[labels_source.name], labels_source.name)[0])]
    if len(texts) != len(labels):
        raise DataError(f"{texts_source.name}: {len(texts)} texts, but {labels_source.name} has {len(labels)} labels")
    if not texts:
        raise DataError(f"{texts_source.name}: the file is empty")
    mapping: dict[str, str] = {}
    for number, line in enumerate(_lines(decode(contents[mapping_source.name], mapping_source.name)[0]), start=1):
        if line.strip():
            value, separator, label = line.partition("\t")
            if not separator:
                raise DataError(f"{mapping_source.name}, row {number}: no tab between value and label: {line!r}")
            mapping[value.strip()] = label.strip()
    return RawTable(
        name=texts_source.name,
        rows=[
            RawRow(number, text, label, is_blank=not text.strip() and not label)
            for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1)
        ],
        label_column=f"{prefix}_labels.txt",
        encoding=encoding,
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        mapping=mapping,
    )


def _lines(text: str) -> list[str]:
    # Never splitlines(): tweets hold other characters that Python takes for line ends.
    return text.removesuffix("\n").split("\n") if text else []
