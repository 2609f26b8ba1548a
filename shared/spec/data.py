"""Where a task's rows are, and how held-out rows are split off."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from shared.spec.multi_label import DEFAULT_SEPARATOR
from shared.spec.part import Label, SpecPart
from shared.spec.references import parse_reference


class DataSpec(SpecPart):
    """Where one task's rows are. Paths are relative to a data root of the worker, or absolute below one.

    An uploaded file is named by `dataset:<sha256>/<file name>`.
    """

    #: A file (CSV, TSV, JSONL, Parquet) or, for the TweetEval layout, its folder.
    train: Annotated[str, StringConstraints(min_length=1)]
    #: Held-out files; where empty, rows are split off `train` without leaking near-duplicates.
    validation: str = ""
    test: str = ""
    #: A named layout that knows columns, label map and quirks of one public data set.
    preset: Literal["", "tweet-sentiment", "hate-speech-curated"] = ""
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "tweeteval"] = "auto"
    text_column: str = "text"
    label_column: str = "label"
    #: Multi label: what stands between the labels in a cell of `label_column`; an empty cell is a row without labels.
    label_separator: Annotated[str, StringConstraints(min_length=1, max_length=8)] = DEFAULT_SEPARATOR
    #: Multi label, in place of `label_column`: a column of 0 and 1 for each label, in the order of the task's labels.
    label_columns: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    #: Value in the file -> label. Empty: the values are the labels.
    label_map: dict[str, Label] = {}
    #: A Python codec name, or auto: UTF-8 (with or without BOM), else what detection says.
    encoding: str = "auto"
    #: Keep a seeded sample of this many rows, stratified by label, before splitting; 0 keeps all.
    max_rows: Annotated[int, Field(ge=0)] = 0

    @field_validator("train", "validation", "test")
    @classmethod
    def _whole_reference(cls, value: str) -> str:
        parse_reference(value)
        return value

    @field_validator("encoding")
    @classmethod
    def _known_codec(cls, value: str) -> str:
        if value != "auto":
            try:
                "".encode(value)
            except LookupError:
                raise ValueError(
                    f"no such encoding: {value!r}; use auto or a Python codec name such as latin-1"
                ) from None
        return value


class SplitSpec(SpecPart):
    """Shares that are split off `train` where a task names no validation or test file."""

    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 13
