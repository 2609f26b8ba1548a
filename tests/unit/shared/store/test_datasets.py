"""Uploaded files in the store: whole or not there, whatever is cut, repeated, wrong or at the same time."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import CorruptArtifactError, InvalidInputError, NotFoundError, StoreError
from shared.store.datasets import DatasetStore
from shared.store.folder import FolderStore

BODY = b"text,label\nwhat a day,good\n"
SHA256 = hashlib.sha256(BODY).hexdigest()
PART_BYTES = 10


@pytest.fixture
def datasets(store: FolderStore) -> DatasetStore:
    return DatasetStore(store, PART_BYTES)


def put(datasets: DatasetStore, body: bytes = BODY, first: int = 0) -> None:
    for number in range(first, -(-len(body) // PART_BYTES)):
        datasets.put_part(SHA256, number, body[number * PART_BYTES : (number + 1) * PART_BYTES])


def test_file_comes_back_as_it_was(datasets: DatasetStore) -> None:
    """Parts are the store's business alone."""
    put(datasets)
    record = datasets.finish(SHA256, len(BODY), "day.csv")
    assert datasets.find(SHA256) == record
    assert datasets.read(SHA256) == BODY
    assert [found.file_name for found in datasets.records()] == ["day.csv"]


def test_file_without_a_manifest_is_not_there(datasets: DatasetStore) -> None:
    """A job must not train on the first half of a file."""
    put(datasets)
    assert datasets.find(SHA256) is None
    assert datasets.records() == []
    with pytest.raises(NotFoundError, match="upload it again"):
        datasets.read(SHA256)


@pytest.mark.parametrize(("numbers", "received"), [((), 0), ((0,), 10), ((0, 1), 20), ((0, 2), 10), ((0, 1, 2), 27)])
def test_received_counts_bytes_up_to_the_first_gap(
    datasets: DatasetStore, numbers: tuple[int, ...], received: int
) -> None:
    """There an upload that was cut goes on; the last part may be short."""
    for number in numbers:
        datasets.put_part(SHA256, number, BODY[number * PART_BYTES : (number + 1) * PART_BYTES])
    assert datasets.received(SHA256) == received


def test_bytes_of_another_hash_are_refused_and_removed(datasets: DatasetStore) -> None:
    """Nothing of them may be taken for a part of the file that has this hash."""
    put(datasets, BODY.swapcase())
    with pytest.raises(InvalidInputError, match="is not that of the 27 bytes that came") as error:
        datasets.finish(SHA256, len(BODY), "day.csv")
    assert [violation.field for violation in error.value.violations] == ["header.sha256"]
    assert datasets.received(SHA256) == 0
    put(datasets)
    assert datasets.finish(SHA256, len(BODY), "day.csv").size == len(BODY)


def test_two_uploads_of_one_file_at_once_give_one_file(datasets: DatasetStore) -> None:
    """Two people train on the same export: both succeed, the name of the first stays."""

    def upload(number: int) -> str:
        put(datasets)
        return datasets.finish(SHA256, len(BODY), f"{number}.csv").file_name

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(upload, range(8)))
    assert len(names) == 1
    assert datasets.read(SHA256) == BODY


def test_finishing_again_with_another_size_changes_nothing(datasets: DatasetStore) -> None:
    """What is whole stays whole, whatever a later caller says of it."""
    put(datasets)
    datasets.finish(SHA256, len(BODY), "day.csv")
    assert datasets.finish(SHA256, 3, "other.csv").file_name == "day.csv"
    assert datasets.read(SHA256) == BODY


def test_damaged_file_is_not_handed_out(datasets: DatasetStore, store: FolderStore) -> None:
    """A job's record names the hash; other bytes would make it a lie."""
    put(datasets)
    datasets.finish(SHA256, len(BODY), "day.csv")
    store.put(f"datasets/{SHA256}/parts/1", b"x" * PART_BYTES)
    with pytest.raises(CorruptArtifactError, match="damaged"):
        datasets.read(SHA256)


def test_removed_file_is_gone_and_can_come_again(datasets: DatasetStore) -> None:
    """Data that must be deleted has to be deletable."""
    put(datasets)
    datasets.finish(SHA256, len(BODY), "day.csv")
    datasets.remove(SHA256)
    assert datasets.find(SHA256) is None
    with pytest.raises(NotFoundError):
        datasets.remove(SHA256)
    put(datasets)
    assert datasets.finish(SHA256, len(BODY), "day.csv").sha256 == SHA256


@pytest.mark.parametrize("name", ["", "../jobs", "A" * 64, "0" * 63, "0" * 65])
def test_name_that_is_no_hash_never_becomes_a_path(datasets: DatasetStore, name: str) -> None:
    """It comes from a client."""
    with pytest.raises(StoreError, match="not a sha256"):
        datasets.find(name)
