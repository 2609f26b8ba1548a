"""The catalogue: the committed one is sound, and a wrong one says where."""

from pathlib import Path

import pytest

from shared.errors import DataError
from worker.data.catalogue import load_catalogue

ENTRY = """
[[dataset]]
name = "small"
title = "Small"
page = "https://example.org/"
licence = "CC0"
folder = "small"
train = "a.csv"
labels = ["x", "y"]
[[dataset.files]]
path = "a.csv"
"""


def test_catalogue_committed_entries_are_sound() -> None:
    """Every file can come from somewhere, or the entry says that it needs a login or a mirror."""
    for dataset in load_catalogue().dataset:
        has_address = all(dataset.url_of(file) for file in dataset.files)
        assert has_address or dataset.login or dataset.stands_in_for, dataset.name
        assert not (has_address and dataset.login), dataset.name


def test_catalogue_committed_sets_make_tasks() -> None:
    """A task made from an entry passes the job spec's own checks."""
    for dataset in load_catalogue().dataset:
        if dataset.is_for_training:
            task = dataset.task("t")
            assert task.labels == dataset.task_labels
            assert task.data.train.startswith(dataset.folder)


def test_catalogue_set_without_labels_makes_no_task() -> None:
    """The STS pairs are for comparing embeddings."""
    with pytest.raises(DataError, match="not labelled text"):
        load_catalogue().named("stsb").task("t")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("https://example.org/", "file:///etc/passwd"), r"dataset\.0\.page"),
        (('folder = "small"', 'folder = "../small"'), "must be a relative path without"),
        (('path = "a.csv"', 'path = "/a.csv"'), "must be a relative path without"),
        (('train = "a.csv"', 'train = "b.csv"'), "'b.csv' is not one of the files of 'small'"),
        (('licence = "CC0"', 'license = "CC0"'), "licen[cs]e"),
        (('path = "a.csv"', 'path = "a.csv"\nsha256 = "beef"'), "sha256"),
        (("[[dataset.files]]", "[[dataset.files"), "not valid TOML"),
        (('train = "a.csv"', 'train = "a.csv"\nstands_in_for = "big"'), "stands in for 'big', which is no entry"),
    ],
)
def test_catalogue_wrong_entry_is_refused_with_place(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """It is edited by hand, and its addresses and paths decide what is downloaded to where."""
    path = tmp_path / "catalogue.toml"
    path.write_text(ENTRY)
    assert load_catalogue(path).dataset[0].name == "small"
    path.write_text(ENTRY.replace(*change))
    with pytest.raises(DataError, match=message):
        load_catalogue(path)


def test_catalogue_name_twice_is_refused(tmp_path: Path) -> None:
    """The second entry would never be found."""
    path = tmp_path / "catalogue.toml"
    path.write_text(ENTRY + ENTRY)
    with pytest.raises(DataError, match="named more than once: small"):
        load_catalogue(path)


def test_catalogue_unknown_name_suggests_near_ones() -> None:
    """A typing error should cost one look."""
    with pytest.raises(DataError, match="did you mean tweeteval-hate"):
        load_catalogue().named("tweeteval-hat")
