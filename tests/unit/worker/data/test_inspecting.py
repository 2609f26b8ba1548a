"""What `check` finds must be what training would do with the same rows."""

from worker.data.inspecting import inspect
from worker.data.labels import label_decoder
from worker.data.presets import preset_task
from worker.data.rows import RawRow, RawTable
from worker.data.tokens import default_tokenizer

DECODER = label_decoder(preset_task("t", "hate-speech-curated", "x"))


def table(name: str, *cells: tuple[str, str]) -> RawTable:
    rows = [RawRow(i, text, label, not text and not label) for i, (text, label) in enumerate(cells, start=2)]
    return RawTable(name=name, rows=rows, label_column="Label", encoding="utf-8", sha256={}, mapping={})


def test_inspect_counts_rows_repeats_lengths_and_oddities() -> None:
    """One row of each kind, so that every figure of the table is a known one."""
    train = table(
        "a.csv",
        ("a plain text about the weather", "0"),
        ("a plain text about the weather", "0"),
        ("a plain text about the weather!", "0"),
        ("one text, two labels", "0"),
        ("one text, two labels", "1"),
        ("an escape \\u2019 that stayed", "1"),
        ("it isnâ€™t what it was", "1"),
        ("word " * 200, "1"),
        ("", ""),
        ("x", "Label"),
    )
    said: list[str] = []
    report = inspect({"train": train}, DECODER, default_tokenizer(), said.append)
    split = report.splits[0]
    assert (split.num_read, split.usable, split.dropped) == (10, 8, {"blank row": 1, "stray label": 1})
    assert split.labels == {"not_hate": 4, "hate": 4}
    assert (split.duplicates, split.conflicting, split.near_duplicates) == (1, 2, 3)
    assert (split.literal_escapes, split.mojibake) == (1, 1)
    assert split.tokens_max == 202
    assert split.truncated == {"256": 0.0, "128": 1 / 8}
    assert report.findings == ["2 rows of train have a text that carries several labels"]
    assert said


def test_inspect_splits_reports_leakage_each_way_once() -> None:
    """A person wants to know which rows to take out of which file."""
    shared_text = "the very same text is in both of the files here"
    train = table("a.csv", (shared_text, "0"), (shared_text + "!", "1"), ("only here", "1"))
    test = table("b.csv", (shared_text, "0"), ("only there", "0"))
    report = inspect({"train": train, "test": test}, DECODER, default_tokenizer(), lambda message: None)
    assert [(leak.split, leak.into, leak.rows) for leak in report.leakage] == [("train", "test", 2)]
    assert report.findings == [
        "2 rows of train are near-duplicates of rows of test",
        "test has no row with the label hate",
    ]
