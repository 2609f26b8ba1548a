"""The store's primitive: exclusive, whole, durable, and never outside its root."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from shared.errors import StoreError
from shared.store.folder import FolderStore, KeyMissingError, open_store, prepare_store


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


def test_store_that_lost_a_known_record_neither_misses_nor_makes_anything(store: FolderStore) -> None:
    """All readers and writers notice that a mount is gone, not only those of the log with the record."""
    store.create("releases/1.json", b"x")
    store.witness = "releases/1.json"
    assert store.list("jobs") == []
    store.path("releases/1.json").unlink()
    store.path("releases").rmdir()
    calls = [
        lambda: store.get("jobs/1"),
        lambda: store.list("jobs"),
        lambda: store.create("jobs/1", b""),
        lambda: store.put("datasets/1", b""),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="is away or is another one") as caught:
            call()
        assert not isinstance(caught.value, KeyMissingError)
    assert list(store.root.iterdir()) == []


def test_prepare_store_makes_a_missing_folder(tmp_path: Path) -> None:
    """Server and worker start on a new machine, in any order."""
    assert prepare_store(str(tmp_path / "new" / "store")).root.is_dir()
    prepare_store(str(tmp_path / "new" / "store"))


def test_prepare_store_what_is_no_folder_is_refused_by_the_name_of_the_setting(tmp_path: Path) -> None:
    """A mistyped path must not look like a store without a release."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    for place in (file, file / "below", Path("/proc/nope")):
        with pytest.raises(StoreError, match=rf"STORE_URL '{place}': "):
            prepare_store(str(place))


def test_prepare_store_unwritable_folder_must_have_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader may see a store read-only; any other folder is the wrong one. The user of a test may write anywhere."""
    monkeypatch.setattr("shared.store.folder.os.access", lambda *_: False)
    with pytest.raises(StoreError, match="there is no store in"):
        prepare_store(str(tmp_path))
    (tmp_path / "releases").mkdir()
    assert prepare_store(str(tmp_path)).root == tmp_path
