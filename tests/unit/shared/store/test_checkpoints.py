"""Checkpoints in the store: which are complete, in what order, and what is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import StoreError
from shared.store.checkpoints import Checkpoints
from shared.store.folder import FolderStore

FILES = (("weights.safetensors", b"weights"), ("facts.json", b"{}"))
THIS = {"spec": "x"}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def names(checkpoints: Checkpoints) -> list[tuple[int, int]]:
    return [(name.claim, name.step) for name in checkpoints.newest_first()]


def test_checkpoints_keep_the_two_newest(store: FolderStore) -> None:
    """A second one in case the newest is damaged; numbers, not names, are compared."""
    checkpoints = Checkpoints(store, "j")
    for step in (8, 9, 10, 100):
        checkpoints.write(1, step, THIS, FILES)
    assert names(checkpoints) == [(1, 100), (1, 10)]
    newest = checkpoints.newest_first()[0]
    assert checkpoints.manifest(newest).fingerprint == THIS
    assert checkpoints.read(newest, checkpoints.manifest(newest)) == dict(FILES)


def test_attempt_that_was_fenced_off_deletes_nothing_of_a_later_one(store: FolderStore) -> None:
    """A stopped worker that wakes up goes on writing for a moment, under its old claim."""
    woken, later = Checkpoints(store, "j"), Checkpoints(store, "j")
    woken.write(1, 10, THIS, FILES)
    later.write(2, 20, THIS, FILES)
    woken.write(1, 30, THIS, FILES)
    woken.write(1, 40, THIS, FILES)
    assert names(later) == [(2, 20), (1, 40), (1, 30)]
    later.write(2, 50, THIS, FILES)
    assert names(later) == [(2, 50), (2, 20)]


def test_checkpoint_without_its_manifest_is_none(store: FolderStore) -> None:
    """Killed while it was being written: nobody may go on from half of a state, and the rest is tidied up."""
    checkpoints = Checkpoints(store, "j")
    checkpoints.write(1, 10, THIS, FILES)
    store.put("jobs/j/checkpoints/1-20-abc/weights.safetensors", b"wei")
    store.put("jobs/j/checkpoints/no-checkpoint/x", b"")
    assert names(checkpoints) == [(1, 10)]
    checkpoints.write(2, 30, THIS, FILES)
    assert not store.exists("jobs/j/checkpoints/1-20-abc")


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_damaged_checkpoint_is_found_out(store: FolderStore, damage: str) -> None:
    """The hash is checked over the very bytes that are handed out."""
    checkpoints = Checkpoints(store, "j")
    checkpoints.write(1, 10, THIS, FILES)
    name = checkpoints.newest_first()[0]
    path = store.path(f"jobs/j/checkpoints/{name}/weights.safetensors")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"weighty" if damage == "changed" else b"weight")
    with pytest.raises(StoreError, match=r"weights\.safetensors"):
        checkpoints.read(name, checkpoints.manifest(name))


def test_remove_all_leaves_nothing_and_can_be_repeated(store: FolderStore) -> None:
    """The job is finished; supervisor and caretaker may both come by."""
    checkpoints = Checkpoints(store, "j")
    checkpoints.write(1, 10, THIS, FILES)
    store.create("jobs/j/spec.json", b"{}")
    for _ in range(2):
        checkpoints.remove_all()
        assert store.list("jobs/j") == ["spec.json"]
