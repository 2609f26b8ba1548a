"""Rows with any number of labels: read in every format, cleaned, sampled and split like the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import DataError
from shared.spec import DataSpec, SplitSpec, TaskSpec
from tests.one_task import load_task
from tests.unit.worker.data.test_loading import assert_leak_free, sentences

SPLIT = SplitSpec(validation=0.1, test=0.2, seed=7)
LABELS = ("food", "travel", "weather")


def task(train: str, labels: tuple[str, ...] = LABELS, **data: Any) -> TaskSpec:
    return TaskSpec(
        name="topics", kind="multi_label", labels=labels, data=DataSpec.model_validate({"train": train, **data})
    )


def label_sets(num: int, seed: int = 0) -> np.ndarray:
    has_NL = np.random.default_rng(seed).random((num, 3)) < np.array([0.5, 0.2, 0.1])
    has_NL[:4] = [[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]]
    return has_NL.astype(np.int64)


def write(path: Path, texts: list[str], has_NL: np.ndarray) -> dict[str, Any]:
    """The rows in the form that the file's ending asks for; what the task's data must say about it."""
    names = [[label for label, has in zip(LABELS, row, strict=True) if has] for row in has_NL.tolist()]
    rows = list(zip(texts, names, has_NL.tolist(), strict=True))
    if path.name == "lists.jsonl":
        path.write_text("\n".join(json.dumps({"text": text, "label": own}) for text, own, _ in rows))
    elif path.name == "cells.csv":
        path.write_text("\n".join(["text,label", *(f"{text},{' ; '.join(own)}" for text, own, _ in rows)]))
        return {"label_separator": ";"}
    elif path.name == "columns.csv":
        lines = [f"{marks[0]},{text},{marks[2]}.0,{marks[1] or ''}" for text, _, marks in rows]
        path.write_text("\n".join(["is_food,text,is_weather,is_travel", *lines]))
        return {"label_columns": ["is_food", "is_travel", "is_weather"]}
    else:
        table = {"text": texts, **{f"is_{label}": has_NL[:, n].astype(bool) for n, label in enumerate(LABELS)}}
        pq.write_table(pa.table(table), path)
        return {"label_columns": [f"is_{label}" for label in LABELS]}
    return {}


@pytest.mark.parametrize("file", ["lists.jsonl", "cells.csv", "columns.csv", "marks.parquet"])
def test_rows_with_several_labels_are_read_and_split(tmp_path: Path, file: str) -> None:
    """Whatever the file's form, each text keeps its own labels, and each label its share of every part."""
    texts, has_NL = sentences(200), label_sets(200)
    data = load_task(task(file, **write(tmp_path / file, texts, has_NL)), SPLIT, [tmp_path])
    parts = (data.train, data.validation, data.test)
    assert (data.num_read, data.dropped) == (200, {})
    labels_of = dict(zip(texts, has_NL.tolist(), strict=True))
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert part.label_ids.tolist() == [labels_of[text] for text in part.texts]
        assert len(part) == pytest.approx(200 * share, abs=3)
        assert part.label_ids.sum(axis=0) == pytest.approx(has_NL.sum(axis=0) * share, abs=3)
    assert sum(map(len, parts)) == 200
    assert_leak_free(data)


def test_row_without_labels_is_a_row(tmp_path: Path) -> None:
    """An empty cell says that none of the labels is there, which teaches as much as one that is."""
    texts, has_NL = sentences(100), label_sets(100)
    assert (has_NL.sum(axis=1) == 0).sum() > 10
    write(tmp_path / "cells.csv", texts, has_NL)
    data = load_task(task("cells.csv", label_separator=";"), SPLIT, [tmp_path])
    assert (data.train.label_ids.sum(axis=1) == 0).any()
    assert data.dropped == {}


def test_repeated_text_with_other_labels_is_dropped(tmp_path: Path) -> None:
    """As for single labels: nobody can say which of the two is right."""
    texts, has_NL = sentences(60), label_sets(60)
    texts += [texts[0], texts[1]]
    has_NL = np.vstack([has_NL, [[1, 1, 1], [0, 1, 0]]])
    write(tmp_path / "lists.jsonl", texts, has_NL)
    data = load_task(task("lists.jsonl"), SPLIT, [tmp_path])
    assert data.dropped == {"duplicate (same text, same label)": 1, "conflicting (one text, several labels)": 2}


def test_sample_of_rows_with_several_labels_keeps_their_sets(tmp_path: Path) -> None:
    """max_rows takes each set of labels with its share."""
    write(tmp_path / "lists.jsonl", sentences(400), label_sets(400))
    data = load_task(task("lists.jsonl", max_rows=200), SPLIT, [tmp_path])
    assert data.dropped == {"not sampled (max_rows)": 200}
    ids = np.concatenate([part.label_ids for part in (data.train, data.validation, data.test)])
    assert ids.sum(axis=0) == pytest.approx(label_sets(400).sum(axis=0) / 2, abs=4)


@pytest.mark.parametrize(
    ("content", "data", "message"),
    [
        ("text,label\na,food|sport", {}, r"a\.csv, row 2, column 'label': unknown label 'sport' \(separated by '\|'\)"),
        ("text,x,y,z\na,1,2,0", {"label_columns": ["x", "y", "z"]}, r"a\.csv, row 2, column 'y': '2' is neither 0 nor"),
        ("text,x,y\na,1,0", {"label_columns": ["x", "y", "z"]}, r"a\.csv: there is no column 'z'"),
        ("text,label\na,food\nb,travel", {}, r"labels without a usable row: weather"),
        ("text,label\na,food|travel|weather\nb,", {}, r"'food' has 1 rows.* at least 3"),
    ],
)
def test_labels_that_cannot_be_read_fail_with_place(
    tmp_path: Path, content: str, data: dict[str, Any], message: str
) -> None:
    """The words lead to the cell."""
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load_task(task("a.csv", **data), SPLIT, [tmp_path])


def test_label_map_gives_values_their_labels(tmp_path: Path) -> None:
    """Files number their labels."""
    (tmp_path / "a.csv").write_text(
        "\n".join(["text,label", *(f"{t},{n % 2}|1.0" for n, t in enumerate(sentences(40)))])
    )
    spec = task("a.csv", ("even", "all"), label_map={"0": "even", "1": "all"})
    data = load_task(spec, SPLIT, [tmp_path])
    assert data.train.label_ids[:, 1].all()
    assert data.train.label_ids[:, 0].sum() == len(data.train) / 2
