"""Dense logs: numbered without gaps, decided again when another writer was faster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import SchemaVersionError, StoreError
from shared.store.folder import FolderStore
from shared.store.log import DenseLog
from shared.store.versions import VersionRecord, versions_log


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def record(job_id: str) -> VersionRecord:
    return VersionRecord(artifact_id="a", manifest_sha256="s", job_id=job_id)


def test_append_from_many_writers_is_dense_and_loses_nothing(store: FolderStore) -> None:
    """Sixteen writers with a log object each: every record lands once, numbers have no gap."""

    def write(number: int) -> int | None:
        return versions_log(store).append(lambda _: record(f"job-{number}"))

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(write, range(48)))
    assert sorted(n for n in numbers if n) == list(range(1, 49))
    assert {entry.job_id for entry in versions_log(store).entries()} == {f"job-{n}" for n in range(48)}


def test_append_when_other_writer_was_faster_decides_again(store: FolderStore) -> None:
    """This is how a publication happens exactly once: the slower writer sees the id and stops."""
    log, other = versions_log(store), versions_log(store)

    def decide(entries: Sequence[VersionRecord]) -> VersionRecord | None:
        if not entries:
            other.append(lambda _: record("job-1"))
        return None if any(e.job_id == "job-1" for e in entries) else record("job-1")

    assert log.append(decide) is None
    assert len(log.entries()) == 1


def test_append_whose_answer_was_lost_counts_as_own(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer who is told "exists" reads back and recognises itself by its writer id."""
    create = store.create

    def create_and_forget(key: str, body: bytes) -> bool:
        create(key, body)
        return False

    monkeypatch.setattr(store, "create", create_and_forget)
    assert versions_log(store).append(lambda _: record("job-1")) == 1


def test_entries_of_future_schema_are_refused_with_both_numbers(store: FolderStore) -> None:
    """An old server must not guess what a newer worker meant."""
    body = json.loads(record("j").to_bytes()) | {"schema": 99}
    store.create("versions/1.json", json.dumps(body).encode())
    with pytest.raises(SchemaVersionError, match=r"99.*knows 1"):
        versions_log(store).entries()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"schema": 1, "surprise": 2}'])
def test_entries_that_are_no_records_raise_store_error(store: FolderStore, body: bytes) -> None:
    """A damaged record names its key."""
    store.create("versions/1.json", body)
    with pytest.raises(StoreError, match=r"versions/1\.json"):
        versions_log(store).entries()


def test_entries_see_what_others_append_later(store: FolderStore) -> None:
    """The cache of immutable entries must not hide new ones."""
    reader: DenseLog[VersionRecord] = versions_log(store)
    assert list(reader.entries()) == []
    versions_log(store).append(lambda _: record("j"))
    assert [entry.job_id for entry in reader.entries()] == ["j"]


@pytest.mark.parametrize("is_new_log", [False, True])
def test_log_whose_store_is_away_is_an_error_until_it_is_back(store: FolderStore, is_new_log: bool) -> None:
    """A lost mount is an empty folder: it must not read as a new store, nor get a second history."""
    root = store.root / "store"
    store = FolderStore(root)
    log = versions_log(store)
    log.append(lambda _: record("job-1"))
    log.entries()
    root.rename(root.with_name("elsewhere"))
    root.mkdir()
    reader = versions_log(store) if is_new_log else log
    for call in (reader.entries, lambda: reader.append(lambda _: record("job-2"))):
        with pytest.raises(StoreError, match=r"is away or is another one: versions/1\.json was there"):
            call()
    assert list(root.iterdir()) == []
    root.rmdir()
    root.with_name("elsewhere").rename(root)
    assert reader.append(lambda _: record("job-2")) == 2


def test_log_with_fewer_entries_than_were_read_is_an_error(store: FolderStore) -> None:
    """A backup of yesterday put in place of a running store: numbers that are known would mean something else."""
    log = versions_log(store)
    for number in (1, 2):
        log.append(lambda _, number=number: record(f"job-{number}"))  # type: ignore[misc]
    log.entries()
    store.path("versions/2.json").unlink()
    with pytest.raises(StoreError, match=r"versions/2\.json was there and is gone"):
        log.append(lambda _: record("job-3"))
    assert store.list("versions") == ["1.json"]
