"""`check`, `split` and the manners of the command line: output for people and scripts, exit codes, messages."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shared.spec import SplitSpec, TaskSpec
from tests.integration.data.conftest import RunData
from tests.one_task import load_task

REPOSITORY = Path(__file__).parents[3]
OPENINGS = (
    "the train was late",
    "a new bakery opened",
    "our team lost again",
    "rain fell all week",
    "she sang at noon",
)
CLOSINGS = ("and nobody told us why", "so we walked home", "which made me laugh", "but the coffee was fine")

COLUMNS = ("--text-column", "body", "--label-column", "stars", "--label-map", "0=bad", "--label-map", "1=good")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """200 rows in a layout of their own, with repeats, a conflict and near-duplicates."""
    rows = [
        (f"{OPENINGS[n % 5]} {CLOSINGS[n % 4]} {n * 7919 % 1000} {OPENINGS[n * 3 % 5][::-1]} {n}", str(n % 2))
        for n in range(190)
    ]
    rows += [rows[0], (rows[1][0] + "!", rows[1][1]), ("two faces", "0"), ("two faces", "1"), ("", "")]
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="latin-1") as file:
        csv.writer(file).writerows([("Größe", "body", "stars"), *(("1", *row) for row in rows)])
    return path


def test_split_then_strict_check_finds_nothing(run_data: RunData, reviews: Path, tmp_path: Path) -> None:
    """What `split` writes must pass what `check` looks for: the two use one idea of a leak."""
    folder = tmp_path / "out"
    outcome = run_data("split", reviews, "--to", folder, *COLUMNS, "--json")
    assert outcome.status == 0
    record = json.loads((folder / "split.json").read_text())
    assert record == outcome.json
    assert record["labels"] == ["bad", "good"]
    assert record["dropped"]["conflicting (one text, several labels)"] == 2
    assert sum(sum(part.values()) for part in record["counts"].values()) + sum(record["dropped"].values()) == 195
    files = [folder / f"{part}.csv" for part in ("train", "validation", "test")]
    arguments = ("check", files[0], "--validation", files[1], "--test", files[2], "--strict", "--json")
    checked = run_data(*arguments)
    assert checked.status == 0
    assert [split["num_read"] for split in checked.json[str(files[0])]["splits"]] == [
        sum(record["counts"][part].values()) for part in ("train", "validation", "test")
    ]


def test_split_below_a_root_prints_a_hint_that_a_job_can_read(
    run_data: RunData, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is copied from the hint into a recipe must be found by the worker, with its default root or others."""
    root = tmp_path / "data"
    monkeypatch.setenv("WORKER_DATA_ROOTS", f"{tmp_path / 'empty'}{os.pathsep}{root}")
    monkeypatch.chdir(tmp_path)
    outcome = run_data("split", reviews, "--to", "data/s, p", *COLUMNS)
    hint = outcome.err[outcome.err.index("data: {") :]
    body = {"name": "stars", "labels": ["bad", "good"], **yaml.safe_load(hint)}
    loaded = load_task(TaskSpec.model_validate(body), SplitSpec(), [tmp_path / "empty", root])
    assert loaded.files == {part: f"s, p/{part}.csv" for part in ("train", "validation", "test")}


def test_split_outside_of_the_roots_says_that_a_recipe_cannot_name_it(
    run_data: RunData, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint that cannot work costs a job and the trust in all other hints."""
    monkeypatch.delenv("WORKER_DATA_ROOTS", raising=False)
    outcome = run_data("split", reviews, "--to", tmp_path / "out", *COLUMNS)
    assert "outside of the data roots" in outcome.err
    assert str(REPOSITORY / "data") in outcome.err
    assert "WORKER_DATA_ROOTS" in outcome.err
    assert "data: {" not in outcome.err


def test_split_again_is_refused_until_forced_and_then_equal(run_data: RunData, reviews: Path, tmp_path: Path) -> None:
    """A split that results rest on is not overwritten by accident; the same seed gives the same bytes."""
    folder = tmp_path / "out"
    arguments = ("split", reviews, "--to", folder, *COLUMNS)
    assert run_data(*arguments).status == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused = run_data(*arguments)
    assert (refused.status, "--force" in refused.err) == (1, True)
    assert run_data(*arguments, "--force").status == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_check_table_shows_rows_labels_and_findings(run_data: RunData, reviews: Path) -> None:
    """A person reads it: the words of the issue are in it."""
    outcome = run_data("check", reviews, *COLUMNS)
    assert outcome.status == 0
    for words in ("rows read", "195", "latin-1", "bad", "good", "tokens: median", "cut off at 128", "duplicates"):
        assert words in outcome.out, words
    assert "2 rows of train have a text that carries several labels" in outcome.out


def test_check_strict_with_findings_exits_with_one(run_data: RunData, reviews: Path) -> None:
    """A script in front of a training job stops here."""
    assert run_data("check", reviews, *COLUMNS, "--strict").status == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "{reviews}"), "no column 'text'; the columns are: Größe, body, stars"),
        (("check", "{reviews}", "--preset", "hate-speech-curated"), "no column 'Content'"),
        (("check", "nothing.csv"), "nothing.csv: no such file or folder"),
        (("check", "nothing"), "there is no data set 'nothing' in the catalogue"),
        (("check", "davidson"), "get it with: polyhead data fetch davidson"),
        (("check", "{reviews}", *COLUMNS, "--tokenizer", "{reviews}"), "cannot be read as a tokenizer.json"),
        (("fetch", "standin-sentiment", "--to", "{folder}"), "comes from a mirror folder only"),
        (("check", "{folder}"), "no train_text.txt, val_text.txt or test_text.txt"),
    ],
)
def test_data_problem_exits_with_one_and_words(
    run_data: RunData, reviews: Path, tmp_path: Path, arguments: tuple[str, ...], message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """No traceback for what a person can mend."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    outcome = run_data(*(part.format(reviews=reviews, folder=tmp_path / "folder") for part in arguments))
    assert outcome.status == 1
    assert message in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("fetch",),
        ("check",),
        ("split", "x.csv"),
        ("check", "x.csv", "--label-map", "nonsense"),
        ("check", "x.csv", "--preset", "nonsense"),
        ("check", "x.csv", "--encoding", "nonsense"),
        ("split", "x.csv", "--to", "y", "--test", "0.9"),
        ("check", "x.csv", "--preset", "tweet-sentiment", "--label-map", "a=b"),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_with_two(run_data: RunData, arguments: tuple[str, ...]) -> None:
    """Scripts tell a wrong call from wrong data."""
    assert run_data(*arguments).status == 2


def test_fetch_list_shows_every_entry_with_its_source(run_data: RunData) -> None:
    """Where to start: names, and which of them need a login."""
    outcome = run_data("fetch", "--list")
    assert outcome.status == 0
    for words in ("tweeteval-hate", "davidson", "login", "mirror only", "public"):
        assert words in outcome.out
    assert any(entry["login"] for entry in run_data("fetch", "--list", "--json").json)


def test_module_runs_as_a_command_without_torch() -> None:
    """`polyhead data` starts it as a process; loading torch would cost seconds for a table."""
    code = "import sys, worker.data.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=REPOSITORY).returncode == 0
    command = [sys.executable, "-m", "worker.data", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert "fetch" in shown.stdout
