"""Known figures of the public data sets: whoever changes a reader sees which rows of which set move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.spec import DataSpec, SplitSpec, TaskSpec
from tests.integration.data.conftest import RunData
from tests.one_task import load_task
from worker.data.presets import preset_task
from worker.data.readers import Layout, read_table
from worker.data.roots import resolve
from worker.data.similarity import near_duplicates_across

pytestmark = pytest.mark.real_data
SPLIT = SplitSpec()


def test_sentiment_layout_equals_the_original_text(real_data: Path) -> None:
    """The latin-1 copy must read as the same tweets as the UTF-8 original; `unicode_escape` garbles 159 of them."""
    layout = Layout(label_column="sentiment")
    copy = read_table(resolve("kaggle_layout/train.csv", [real_data]), layout)
    original = read_table(resolve("tweet_sentiment/train.csv", [real_data]), layout)
    assert (copy.encoding, original.encoding) == ("latin-1", "utf-8")
    assert len(copy.rows) == 27_481
    assert [(row.text, row.label) for row in copy.rows] == [(row.text, row.label) for row in original.rows]


def test_sentiment_files_drop_blank_rows_and_leaks(real_data: Path) -> None:
    """The reference project's first task as it comes."""
    spec = preset_task("sentiment", "tweet-sentiment", "kaggle_layout/train.csv", test="kaggle_layout/test.csv")
    data = load_task(spec, SPLIT, [real_data])
    assert data.num_read == 27_481 + 4_815
    assert len(data.test) == 3_534
    assert data.dropped_by_file["kaggle_layout/test.csv"] == {"blank row": 1_281}
    assert data.dropped_by_file["kaggle_layout/train.csv"] == {
        "blank text": 1,
        "duplicate (same text, same label)": 26,
        "conflicting (one text, several labels)": 10,
        "leaks into test (near-duplicate)": 89,
    }
    sides = [data.train.texts, data.validation.texts, data.test.texts]
    assert not any(table.any() for table in near_duplicates_across(sides))


def test_hate_file_drops_stray_rows_and_splits_without_leaks(real_data: Path) -> None:
    """The reference project's second task as it comes."""
    data = load_task(
        preset_task("hate", "hate-speech-curated", "kaggle_layout/HateSpeechDataset.csv"), SPLIT, [real_data]
    )
    assert (data.num_read, data.dropped) == (43_793, {"stray label": 7})
    parts = (data.train, data.validation, data.test)
    assert sum(len(part) for part in parts) == 43_786
    for part in parts:
        assert float(np.mean(part.label_ids)) == pytest.approx(7_448 / 43_786, abs=0.001)
    assert not any(table.any() for table in near_duplicates_across([part.texts for part in parts]))


def test_balanced_hate_file_keeps_copies_with_swapped_words_together(real_data: Path) -> None:
    """A random split of this file leaks by construction; this one may not."""
    spec = preset_task("hate", "hate-speech-curated", "kaggle_layout/HateSpeechDatasetBalanced.csv")
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"max_rows": 12_000})})
    data = load_task(spec, SPLIT, [real_data])
    sides = [data.train.texts, data.validation.texts, data.test.texts]
    assert not any(table.any() for table in near_duplicates_across(sides))
    sample = [*sides[0][:250], *sides[2][:100]]
    grams = [{text[i : i + 5] for i in range(len(text) - 4)} or {text} for text in (t.lower() for t in sample)]
    for left in grams[:250]:
        assert all(5 * len(left & right) < 4 * len(left | right) for right in grams[250:])


@pytest.mark.parametrize(
    ("name", "labels", "rows", "blank"),
    [
        ("hate", ("not-hate", "hate"), (9_000, 1_000, 2_970), 8),
        ("offensive", ("not-offensive", "offensive"), (11_916, 1_324, 860), 0),
        ("emotion", ("anger", "joy", "optimism", "sadness"), (3_257, 374, 1_421), 0),
        ("irony", ("non_irony", "irony"), (2_862, 955, 784), 0),
    ],
)
def test_tweeteval_sets_have_their_published_sizes(
    real_data: Path, name: str, labels: tuple[str, ...], rows: tuple[int, int, int], blank: int
) -> None:
    """The published sizes, and a test set that nothing was taken from."""
    data = load_task(TaskSpec(name=name, labels=labels, data=DataSpec(train=f"tweeteval/{name}")), SPLIT, [real_data])
    assert data.num_read == sum(rows)
    assert len(data.test) == rows[2]
    assert data.dropped.get("blank text", 0) == blank


def test_davidson_multi_line_fields_are_single_rows(real_data: Path) -> None:
    """Counting lines instead of records gives more rows than there are tweets."""
    table = read_table(resolve("davidson/labeled_data.csv", [real_data]), Layout("auto", "tweet", "class"))
    assert len(table.rows) == 24_783
    assert any("\n" in row.text for row in table.rows)


def test_catalogue_checksums_hold_for_the_mirror(real_data: Path, run_data: RunData, tmp_path: Path) -> None:
    """The sums in the catalogue are those of the real files."""
    names = [f"tweeteval-{task}" for task in ("hate", "offensive", "emotion", "irony")]
    outcome = run_data("fetch", *names, "davidson", "--mirror", real_data, "--to", tmp_path, "--json")
    assert outcome.status == 0
    assert {(file["verified"], file["source"]) for file in outcome.json} == {(True, "mirror")}


def test_check_by_name_reads_the_mirror_and_sees_escapes(real_data: Path, run_data: RunData) -> None:
    """TweetEval's sentiment validation texts hold literal \\u2019 escapes in 206 lines."""
    outcome = run_data("check", real_data / "tweeteval/sentiment", "--json")
    assert outcome.status == 0
    (report,) = outcome.json.values()
    validation = next(split for split in report["splits"] if split["split"] == "validation")
    assert (validation["num_read"], validation["literal_escapes"]) == (2_000, 206)
