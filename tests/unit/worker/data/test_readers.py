"""Formats, columns and row numbers: what a person gets told about the file they wrote."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import DataError
from worker.data.readers import Layout, read_table
from worker.data.roots import Source, resolve

WriteSource = Callable[[str, str | bytes], Source]


def texts_and_labels(source: Source, layout: Layout | None = None) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in read_table(source, layout or Layout()).rows]


def test_read_csv_missing_column_shows_no_raw_characters_of_the_header(write: WriteSource) -> None:
    """The message goes to a terminal: what a file calls its columns must not move its cursor or turn its text."""
    with pytest.raises(DataError, match=r"the columns are: body, ") as caught:
        read_table(write("a.csv", 'body,"a\nb",c\x9bd,\u202eabc\nx,y,z,u\n'), Layout())
    assert str(caught.value).isprintable()


def test_read_csv_multi_line_field_keeps_text_and_counts_rows(write: WriteSource) -> None:
    """Davidson's file has texts over several lines; row numbers are those of a spreadsheet."""
    source = write("a.csv", 'id,text,label\n1,"two\nlines, one ""row""",x\n2,plain,y\n')
    table = read_table(source, Layout())
    assert [(row.number, row.text, row.label) for row in table.rows] == [
        (2, 'two\nlines, one "row"', "x"),
        (3, "plain", "y"),
    ]


def test_read_csv_records_hash_of_the_bytes(write: WriteSource) -> None:
    """The job's record must name the very bytes that were trained on."""
    content = "text,label\nhé,x\n".encode("latin-1")
    assert read_table(write("a.csv", content), Layout()).sha256 == {"a.csv": hashlib.sha256(content).hexdigest()}


def test_read_csv_windows_line_ends_are_read(write: WriteSource) -> None:
    """Half of the world's spreadsheets end lines this way."""
    assert texts_and_labels(write("a.csv", "text,label\r\none,x\r\ntwo,y\r\n")) == [("one", "x"), ("two", "y")]


def test_read_csv_blank_rows_are_marked(write: WriteSource) -> None:
    """The Kaggle test file ends with 1,281 rows of nothing but commas."""
    table = read_table(write("a.csv", "text,label\none,x\n,\n\n , \n"), Layout())
    assert [row.is_blank for row in table.rows] == [False, True, True, True]


def test_read_csv_unclosed_quote_is_refused_with_row(write: WriteSource) -> None:
    """Silently, one stray quote would swallow the rest of the file as a single text."""
    with pytest.raises(DataError, match=r"a\.csv, row 3 \(line 4\): not valid CSV"):
        read_table(write("a.csv", 'text,label\none,x\n"two,y\nthree,z\n'), Layout())


def test_read_csv_unquoted_separator_is_refused_with_row(write: WriteSource) -> None:
    """A comma in an unquoted text shifts the label into another column."""
    with pytest.raises(DataError, match=r"a\.csv, row 3: 3 cells, but the header has 2"):
        read_table(write("a.csv", "text,label\none,x\nwell, two,y\n"), Layout())


def test_read_csv_unknown_column_names_file_and_columns(write: WriteSource) -> None:
    """The fix is one look away if the message lists what is there."""
    with pytest.raises(DataError, match=r"a\.csv: there is no column 'text'; the columns are: Content, Label"):
        read_table(write("a.csv", "Content,Label\none,1\n"), Layout())


@pytest.mark.parametrize("mark", [";", "\t"])
def test_read_csv_with_another_separator_says_so(write: WriteSource, mark: str) -> None:
    """What a spreadsheet in many languages writes; the list of columns alone looks as if all were there."""
    with pytest.raises(DataError, match="separated by ") as caught:
        read_table(write("a.csv", f"text{mark}label\nhello{mark}x\n"), Layout())
    assert repr(mark) in str(caught.value)


def test_read_csv_column_twice_is_refused(write: WriteSource) -> None:
    """Taking either of two columns would be a guess."""
    with pytest.raises(DataError, match="2 columns named 'text'"):
        read_table(write("a.csv", "text,text,label\none,two,x\n"), Layout())


@pytest.mark.parametrize(
    ("content", "message"), [("", "the file is empty"), ("\n\n", "the file is empty"), ("text,label\n", "has no rows")]
)
def test_read_csv_without_rows_is_refused(write: WriteSource, content: str, message: str) -> None:
    """Training on nothing must fail before training starts."""
    with pytest.raises(DataError, match=rf"a\.csv: .*{message}"):
        read_table(write("a.csv", content), Layout())


def test_read_tsv_by_ending_keeps_commas(write: WriteSource) -> None:
    """Tabs separate, commas are text."""
    assert texts_and_labels(write("a.tsv", "text\tlabel\none, two\tx\n")) == [("one, two", "x")]


def test_read_jsonl_types_are_spelled_as_in_the_file(write: WriteSource) -> None:
    """Labels come as numbers, booleans and null; null is no label, and blank lines are none of the rows."""
    lines = [{"text": "one", "label": 1}, {"text": "two", "label": True}, {"text": "three", "label": None}]
    content = "\n\n".join(json.dumps(line) for line in lines) + "\n"
    table = read_table(write("a.jsonl", content), Layout())
    assert [(row.number, row.text, row.label) for row in table.rows] == [
        (1, "one", "1"),
        (3, "two", "true"),
        (5, "three", ""),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", r"row 2: not valid JSON"),
        ('["a"]', r"row 2: a JSON object is needed, found list"),
        ('{"text": ["a"], "label": 1}', r"row 2, column 'text': a list"),
    ],
)
def test_read_jsonl_bad_line_names_row(write: WriteSource, line: str, message: str) -> None:
    """One bad line in a million must be findable."""
    with pytest.raises(DataError, match=message):
        read_table(write("a.jsonl", '{"text": "one", "label": 1}\n' + line + "\n"), Layout())


def test_read_jsonl_unknown_column_lists_keys(write: WriteSource) -> None:
    """A key that no line has is a wrong name, not a million missing labels."""
    with pytest.raises(DataError, match="no column 'label'; the columns are: klass, text"):
        read_table(write("a.jsonl", '{"text": "one", "klass": 1}\n'), Layout())


def test_read_parquet_nulls_are_missing(write: WriteSource) -> None:
    """Float columns hold labels 1.0 and NaN when somebody saved them through a data frame."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", None], "label": [1.0, float("nan")], "other": [1, 2]}), buffer)
    table = read_table(write("a.parquet", buffer.getvalue()), Layout())
    assert [(row.number, row.text, row.label) for row in table.rows] == [(1, "one", "1.0"), (2, "", "")]
    assert [row.is_blank for row in table.rows] == [False, True]


def test_read_parquet_damaged_is_refused(write: WriteSource) -> None:
    """A cut-off file must not look like an internal error."""
    with pytest.raises(DataError, match=r"a\.parquet: not a valid Parquet file"):
        read_table(write("a.parquet", b"PAR1 but not really"), Layout())


def test_read_parquet_unknown_column_lists_columns(write: WriteSource) -> None:
    """As for CSV: the message must hold the fix."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"body": ["one"], "label": [1]}), buffer)
    with pytest.raises(DataError, match="no column 'text'; the columns are: body, label"):
        read_table(write("a.parquet", buffer.getvalue()), Layout())


def make_tweeteval(write: WriteSource, texts: str, labels: str, mapping: str = "0\tnot-hate\n1\thate") -> None:
    write("set/train_text.txt", texts)
    write("set/train_labels.txt", labels)
    write("set/mapping.txt", mapping)


def test_read_tweeteval_splits_on_newline_only(write: WriteSource, tmp_path: Path) -> None:
    """Tweets hold other line separators; splitting on those shifts every label behind them."""
    texts = "one\u2028still one \none\x85still two\r \n"
    make_tweeteval(write, texts, "0\n1\n")
    table = read_table(resolve("set", [tmp_path]), Layout())
    assert [(row.number, row.text, row.label) for row in table.rows] == [
        (1, "one\u2028still one ", "0"),
        (2, "one\x85still two\r ", "1"),
    ]
    assert table.mapping == {"0": "not-hate", "1": "hate"}
    assert set(table.sha256) == {"set/train_text.txt", "set/train_labels.txt", "set/mapping.txt"}


def test_read_tweeteval_uneven_files_are_refused(write: WriteSource, tmp_path: Path) -> None:
    """One line more on either side means that labels belong to other texts."""
    make_tweeteval(write, "one\ntwo\n", "0\n")
    with pytest.raises(DataError, match=r"2 texts, but set/train_labels\.txt has 1 labels"):
        read_table(resolve("set", [tmp_path]), Layout())


def test_read_tweeteval_without_mapping_is_refused(write: WriteSource, tmp_path: Path) -> None:
    """Numbers alone do not say what they mean."""
    write("set/train_text.txt", "one\n")
    write("set/train_labels.txt", "0\n")
    with pytest.raises(DataError, match=r"set/mapping\.txt: no such file"):
        read_table(resolve("set", [tmp_path]), Layout())


def test_read_unknown_ending_asks_for_format(write: WriteSource) -> None:
    """Guessing the format by content would be a second way to be wrong."""
    source = write("a.data", "text,label\none,x\n")
    with pytest.raises(DataError, match=r"cannot tell the format by the ending '\.data'"):
        read_table(source, Layout())
    assert texts_and_labels(source, Layout(format="csv")) == [("one", "x")]


def test_read_folder_as_csv_says_it_cannot_be_read(write: WriteSource, tmp_path: Path) -> None:
    """An operating system's refusal is the data's fault, not a bug."""
    write("set/x", "")
    with pytest.raises(DataError, match="set: cannot be read: Is a directory"):
        read_table(resolve("set", [tmp_path]), Layout(format="csv"))
