"""The store's primitive: exclusive, whole, durable, and never outside its root."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from shared.errors import StoreError
from shared.store.folder import FolderStore, KeyMissingError, open_store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_create_existing_key_leaves_first_body(store: FolderStore) -> None:
    """Nothing is ever overwritten: the second writer learns that it was second."""
    assert store.create("versions/1.json", b"first")
    assert not store.create("versions/1.json", b"second")
    assert store.get("versions/1.json") == b"first"


def test_create_from_many_threads_lets_exactly_one_win(store: FolderStore) -> None:
    """The exclusive create is the only concurrency primitive there is."""
    wins: list[int] = []
    barrier = threading.Barrier(16)

    def attempt(number: int) -> None:
        barrier.wait()
        if store.create("log/1.json", str(number).encode()):
            wins.append(number)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert store.get("log/1.json") == str(wins[0]).encode()


def test_create_leaves_no_temporary_file(store: FolderStore) -> None:
    """A temporary file left behind would fill the volume, one a record."""
    store.create("a/1.json", b"x")
    store.create("a/1.json", b"y")
    assert [path.name for path in (store.root / "a").iterdir()] == ["1.json"]


def test_list_after_crash_hides_temporary_files(store: FolderStore) -> None:
    """What a killed writer left behind is not an entry."""
    store.create("a/1.json", b"x")
    (store.root / "a" / ".tmp-dead").write_bytes(b"half")
    assert store.list("a") == ["1.json"]


def test_get_missing_key_raises_key_missing(store: FolderStore) -> None:
    """A reader tells "not there" from "cannot be read"."""
    with pytest.raises(KeyMissingError, match="nope"):
        store.get("nope")


def test_get_folder_raises_store_error(store: FolderStore) -> None:
    """A key that is a folder is a broken store, not an absent entry."""
    store.create("a/1.json", b"x")
    with pytest.raises(StoreError):
        store.get("a")


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "a//b", "", "a/.", ".tmp-x"])
def test_path_outside_store_is_refused(store: FolderStore, key: str) -> None:
    """Keys come from records and requests; none may leave the store."""
    with pytest.raises(StoreError, match="not a store key"):
        store.path(key)


def test_create_in_unwritable_place_raises_store_error(tmp_path: Path) -> None:
    """A full or read-only volume is an expected error, not a bug."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot create"):
        FolderStore(tmp_path / "file").create("a/1.json", b"x")


def test_open_store_unknown_scheme_says_what_is_supported() -> None:
    """A bucket URL is a reasonable guess; the message says that it is too early for it."""
    with pytest.raises(StoreError, match="s3://bucket"):
        open_store("s3://bucket/x")


def test_open_store_file_url_is_that_folder(tmp_path: Path) -> None:
    """Both spellings of a folder mean the same store."""
    assert open_store(f"file://{tmp_path}").root == open_store(str(tmp_path)).root
