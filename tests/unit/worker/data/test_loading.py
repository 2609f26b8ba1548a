"""The trainer's entry: what it gets is clean, split without leaks, reproducible, and on record."""

import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.errors import DataError
from shared.spec import DataSpec, SplitSpec, TaskSpec
from tests.one_task import load_task
from worker.data.ledger import TaskData
from worker.data.presets import preset_task
from worker.data.similarity import near_duplicates_across

SPLIT = SplitSpec(validation=0.1, test=0.2, seed=7)
WORDS = [a + b for a in ("ka", "lo", "mi", "tu", "re") for b in ("ban", "dor", "fel", "gim", "sut", "vex")]


def sentences(num: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(4, 12))) + f" {n}" for n in range(num)]


def write_csv(path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def labelled(texts: list[str], *labels: str) -> list[tuple[str, str]]:
    return [(text, labels[i % len(labels)]) for i, text in enumerate(texts)]


def task(**data: object) -> TaskSpec:
    return TaskSpec(name="mood", labels=("bad", "good"), data=DataSpec.model_validate({"train": "a.csv", **data}))


def assert_leak_free(data: TaskData) -> None:
    sides = [data.train.texts, data.validation.texts, data.test.texts]
    assert not any(table.any() for table in near_duplicates_across(sides))


def test_load_one_file_splits_all_rows(tmp_path: Path) -> None:
    """No row is lost or doubled between reading and training."""
    rows = labelled(sentences(300), "bad", "good")
    write_csv(tmp_path / "a.csv", rows)
    data = load_task(task(), SPLIT, [tmp_path])
    parts = (data.train, data.validation, data.test)
    assert sorted(text for part in parts for text in part.texts) == sorted(text for text, _ in rows)
    label_of = dict(rows)
    for part in parts:
        assert part.label_ids.dtype == np.int64
        assert [("bad", "good")[i] for i in part.label_ids] == [label_of[text] for text in part.texts]
    assert [len(part) for part in parts] == [210, 30, 60]
    assert (data.num_read, data.dropped) == (300, {})
    assert_leak_free(data)


def test_load_same_seed_gives_same_rows_in_same_order(tmp_path: Path) -> None:
    """Bit-equal training starts with equal rows; the split's seed is the only chance there is."""
    write_csv(tmp_path / "a.csv", labelled(sentences(200), "bad", "good"))
    first, again = (load_task(task(max_rows=120), SPLIT, [tmp_path]) for _ in range(2))
    assert first.train.texts == again.train.texts
    assert first.train.label_ids.tolist() == again.train.label_ids.tolist()
    other = load_task(task(max_rows=120), SPLIT.model_copy(update={"seed": 8}), [tmp_path])
    assert set(other.test.texts) != set(first.test.texts)


def test_load_max_rows_keeps_shares_and_counts_the_rest(tmp_path: Path) -> None:
    """A demo on a stated subset must say that it is one."""
    write_csv(tmp_path / "a.csv", labelled(sentences(400), "bad", "good", "good", "good"))
    data = load_task(task(max_rows=100), SPLIT, [tmp_path])
    label_ids = np.concatenate([part.label_ids for part in (data.train, data.validation, data.test)])
    assert np.bincount(label_ids).tolist() == [25, 75]
    assert data.dropped == {"not sampled (max_rows)": 300}


def test_load_test_file_drops_leaking_training_rows(tmp_path: Path) -> None:
    """The test file stays whole, so figures compare; what leaks into it leaves the training rows."""
    train, test = sentences(200), sentences(40, seed=1)
    copies = [f"@someone {text.upper()}" for text in test[:10]]
    near = [text + " !" for text in test[10:15] if len(text) > 40]
    assert near
    held_out = [f"@other {text}" for text in test[:10]] + test[10:]
    write_csv(tmp_path / "a.csv", labelled(train + copies + near, "bad", "good"))
    write_csv(tmp_path / "test.csv", labelled([*held_out, held_out[20]], "bad", "good"))
    data = load_task(task(test="test.csv"), SPLIT, [tmp_path])
    assert len(data.test) == len(held_out) + 1
    assert data.dropped_by_file["a.csv"] == {"leaks into test (near-duplicate)": len(copies) + len(near)}
    assert data.files == {"train": "a.csv", "test": "test.csv"}
    assert len(data.validation) == pytest.approx(20, abs=2)
    assert_leak_free(data)


def test_load_both_files_drops_validation_rows_that_leak_into_test(tmp_path: Path) -> None:
    """Validation chooses and calibrates; rows that are also in test would flatter the result."""
    train, held_out = sentences(100), sentences(30, seed=1)
    write_csv(tmp_path / "a.csv", labelled([*train, held_out[0]], "bad", "good"))
    write_csv(tmp_path / "v.csv", labelled([*held_out[:15], held_out[20]], "bad", "good"))
    write_csv(tmp_path / "t.csv", labelled(held_out[15:], "bad", "good"))
    data = load_task(task(validation="v.csv", test="t.csv"), SPLIT, [tmp_path])
    assert (len(data.train), len(data.validation), len(data.test)) == (100, 15, 15)
    assert data.dropped_by_file == {
        "a.csv": {"leaks into validation (near-duplicate)": 1},
        "v.csv": {"leaks into test (near-duplicate)": 1},
        "t.csv": {},
    }
    assert_leak_free(data)


def test_load_validation_file_only_splits_test_off_train(tmp_path: Path) -> None:
    """Each missing part comes from train, whichever it is."""
    write_csv(tmp_path / "a.csv", labelled(sentences(100), "bad", "good"))
    write_csv(tmp_path / "v.csv", labelled(sentences(20, seed=1), "bad", "good"))
    data = load_task(task(validation="v.csv"), SPLIT, [tmp_path])
    assert (len(data.train), len(data.validation), len(data.test)) == (80, 20, 20)


def test_load_tweeteval_folder_brings_its_own_splits(tmp_path: Path) -> None:
    """The benchmark's figures are only comparable on its own splits."""
    for prefix, seed, num in (("train", 0, 60), ("val", 1, 12), ("test", 2, 14)):
        (tmp_path / f"{prefix}_text.txt").write_text("".join(f"{text} \n" for text in sentences(num, seed)))
        (tmp_path / f"{prefix}_labels.txt").write_text("".join(f"{n % 2}\n" for n in range(num)))
    (tmp_path / "mapping.txt").write_text("0\tbad\n1\tgood")
    data = load_task(task(train="."), SPLIT, [tmp_path])
    assert (len(data.train), len(data.validation), len(data.test)) == (60, 12, 14)
    assert len(data.sha256) == 7


def test_load_hate_preset_drops_quirks_by_reason(tmp_path: Path) -> None:
    """All the quirks of the reference project's two files, each counted under its own name."""
    rows = labelled(sentences(60), "0", "1")
    extra = [("Content", "Label"), ("", ""), (" ", "1"), rows[0], ("both", "0"), ("both", "1.0"), ("none", "")]
    write_csv(tmp_path / "h.csv", [*rows, *extra], header=("Content", "Label"))
    data = load_task(preset_task("hate", "hate-speech-curated", "h.csv"), SPLIT, [tmp_path])
    assert data.num_read == 67
    assert data.dropped == {
        "stray label": 1,
        "blank row": 1,
        "blank text": 1,
        "missing label": 1,
        "duplicate (same text, same label)": 1,
        "conflicting (one text, several labels)": 2,
    }
    assert len(data.train) + len(data.validation) + len(data.test) + sum(data.dropped.values()) == data.num_read


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "good"), ("b", "good"), ("c", "good")], r"a\.csv: all 3 usable rows have the label 'good'"),
        ([("", ""), ("", "good")], r"a\.csv: none of its 2 rows can be used: 1 blank row, 1 blank text"),
        ([("a", "good"), ("b", "poor")], r"a\.csv, row 3, column 'label': unknown label 'poor'; known: bad, good"),
        ([("a", "good"), ("b", "bad"), ("c", "bad")], r"a\.csv: label 'bad' has 2 rows.* at least 3 are needed"),
    ],
)
def test_load_unusable_rows_fail_with_place(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    """Each must fail before training starts, with words that lead to the row."""
    write_csv(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match=message):
        load_task(task(), SPLIT, [tmp_path])


def test_load_label_without_rows_is_refused(tmp_path: Path) -> None:
    """A head with a label that nothing teaches would still answer with it."""
    write_csv(tmp_path / "a.csv", labelled(sentences(20), "bad", "good"))
    three = TaskSpec(name="mood", labels=("bad", "good", "great"), data=DataSpec(train="a.csv"))
    with pytest.raises(DataError, match="labels without a usable row: great"):
        load_task(three, SPLIT, [tmp_path])


def test_load_train_that_is_all_in_test_is_refused(tmp_path: Path) -> None:
    """The same file for both is a mistake that looks like a perfect model."""
    write_csv(tmp_path / "a.csv", labelled(sentences(20), "bad", "good"))
    with pytest.raises(DataError, match=r"a\.csv: all its rows are near-duplicates of held-out rows"):
        load_task(task(test="a.csv"), SPLIT, [tmp_path])


def test_load_missing_file_names_field_and_task(tmp_path: Path) -> None:
    """With several tasks of several files each, "not found" alone does not help."""
    write_csv(tmp_path / "a.csv", labelled(sentences(20), "bad", "good"))
    with pytest.raises(DataError, match=r"task 'mood': data\.test: 'b\.csv' was not found"):
        load_task(task(test="b.csv"), SPLIT, [tmp_path])


def test_load_reports_progress(tmp_path: Path) -> None:
    """Forty thousand rows take seconds; the job's stage must say why."""
    write_csv(tmp_path / "a.csv", labelled(sentences(30), "bad", "good"))
    said: list[str] = []
    on_progress: Callable[[str], None] = said.append
    load_task(task(), SPLIT, [tmp_path], on_progress)
    assert said == ["mood: reading a.csv", "looking for near-duplicates among 30 texts"]
