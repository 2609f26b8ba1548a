"""Labels and unusable rows: every row that is left out has a reason, and nothing is guessed."""

import numpy as np
import pytest

from shared.errors import DataError
from shared.spec import DataSpec, TaskSpec
from worker.data.cleaning import (
    BLANK_ROW,
    BLANK_TEXT,
    CONFLICTING,
    DUPLICATE,
    MISSING_LABEL,
    STRAY_LABEL,
    decode_rows,
    drop_repeated,
)
from worker.data.labels import canonical, label_decoder, observed_decoder
from worker.data.presets import preset_task
from worker.data.rows import RawRow, RawTable, Rows

HATE = preset_task("hate", "hate-speech-curated", "x.csv")


def table(*cells: tuple[str, str], mapping: dict[str, str] | None = None) -> RawTable:
    rows = [RawRow(i, text, label, not text.strip() and not label) for i, (text, label) in enumerate(cells, start=2)]
    return RawTable(name="x.csv", rows=rows, label_column="Label", encoding="utf-8", sha256={}, mapping=mapping or {})


def task(labels: tuple[str, ...], label_map: dict[str, str] | None = None) -> TaskSpec:
    return TaskSpec(name="t", labels=labels, data=DataSpec(train="x.csv", label_map=label_map or {}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", "1"), ("1.0", "1"), (" 1 ", "1"), ("01", "1"), ("+1", "1"), ("1.", "1"), ("0.00", "0"), ("-1.0", "-1"),
     ("-0", "0"), ("1.5", "1.5"), ("1e0", "1e0"), ("positive", "positive"), ("", "")],
)  # fmt: skip
def test_canonical_numeric_spellings_agree(value: str, expected: str) -> None:
    """A data frame turns 1 into 1.0 as soon as one label is missing; it is the same label."""
    assert canonical(value) == expected


def test_decode_rows_counts_each_reason_once() -> None:
    """The sum of kept and dropped rows must be the rows that were read."""
    raw = table(("good", "0"), ("", ""), (" ", "1"), ("Content", "Label"), ("no label", ""), ("bad", "1.0"))
    clean = decode_rows(raw, label_decoder(HATE))
    assert clean.rows.texts == ["good", "bad"]
    assert clean.rows.label_ids.tolist() == [0, 1]
    assert clean.dropped == {BLANK_ROW: 1, BLANK_TEXT: 1, STRAY_LABEL: 1, MISSING_LABEL: 1}


def test_decode_rows_unknown_label_names_file_row_column_and_value() -> None:
    """Dropping it silently could drop a class that the person forgot to name."""
    raw = table(("a", "positive"), ("b", "mixed"))
    message = r"x\.csv, row 3, column 'Label': unknown label 'mixed'; known: negative, positive"
    with pytest.raises(DataError, match=message):
        decode_rows(raw, label_decoder(task(("negative", "positive"))))


def test_decode_rows_stray_label_without_preset_is_unknown() -> None:
    """Only the preset knows that quirk; elsewhere "Label" could be a label."""
    with pytest.raises(DataError, match="unknown label 'Label'"):
        decode_rows(table(("a", "Label")), label_decoder(task(("0", "1"))))


def test_decode_rows_layout_mapping_names_values() -> None:
    """TweetEval files hold numbers; mapping.txt says what they mean; the task may map the names on."""
    raw = table(("a", "0"), ("b", "1"), mapping={"0": "not-hate", "1": "hate"})
    direct = decode_rows(raw, label_decoder(task(("hate", "not-hate"))))
    assert direct.rows.label_ids.tolist() == [1, 0]
    renamed = decode_rows(raw, label_decoder(task(("fine", "hate"), {"not-hate": "fine"})))
    assert renamed.rows.label_ids.tolist() == [0, 1]


def test_decode_rows_own_map_beats_layout_mapping() -> None:
    """What the job says about a value counts more than what came with the files."""
    raw = table(("a", "0"), mapping={"0": "b"})
    clean = decode_rows(raw, label_decoder(task(("a", "b"), {"0": "a"})))
    assert clean.rows.label_ids.tolist() == [0]


def test_label_decoder_preset_with_other_labels_says_how_to_map() -> None:
    """A preset's labels and the task's must agree, or the job must say how they do."""
    data = DataSpec(train="x.csv", preset="hate-speech-curated")
    with pytest.raises(DataError, match=r"maps '0' to 'not_hate', which is not a label of the task \(ok, bad\)"):
        label_decoder(TaskSpec(name="t", labels=("ok", "bad"), data=data))
    mapped = data.model_copy(update={"label_map": {"0": "ok", "1": "bad"}})
    decoder = label_decoder(TaskSpec(name="t", labels=("ok", "bad"), data=mapped))
    assert decode_rows(table(("a", "1")), decoder).rows.label_ids.tolist() == [1]


def test_drop_repeated_keeps_first_and_no_conflict() -> None:
    """Two labels for one text teach nothing; whichever was kept would be a coin toss."""
    rows = Rows(["a", "b", "a", "c", "b", "a"], np.array([0, 1, 0, 1, 0, 0]))
    clean = drop_repeated(rows)
    assert (clean.rows.texts, clean.rows.label_ids.tolist()) == (["a", "c"], [0, 1])
    assert clean.dropped == {DUPLICATE: 2, CONFLICTING: 2}


def test_observed_decoder_orders_numbers_by_size() -> None:
    """With 0..10 as labels, 10 must not come after 1."""
    raw = table(*[("a", str(n)) for n in (10, 2, 1)], ("b", "x"))
    assert observed_decoder([raw], {"2": "two"}).labels == ("1", "two", "10", "x")


def test_observed_decoder_text_column_by_mistake_is_refused() -> None:
    """A wrong column name should not give a table with thousands of labels."""
    raw = table(*[("a", f"some text {n}") for n in range(300)])
    with pytest.raises(DataError, match="more than 200 different values"):
        observed_decoder([raw], {})
