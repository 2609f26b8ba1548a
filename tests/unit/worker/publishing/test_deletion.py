"""Deleting a version: marked first, then its files go; nothing that is named can be deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.models.changes import Promotion, Request, decide
from shared.errors import FailedPreconditionError, NotFoundError
from shared.store.folder import FolderStore
from shared.store.releases import Canary, ReleaseRecord, deleted_versions, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.publishing import deletion
from worker.publishing.deletion import delete_version, sweep
from worker.publishing.releasing import Candidate, next_release


@pytest.fixture
def filled(store: FolderStore) -> FolderStore:
    """Versions 1 to 5 of artifacts a1 to a4 (4 and 5 share one); the newest release names 1, 2 and 3."""
    for name in ("a1", "a2", "a3", "a4", "a4"):
        store.put(f"artifacts/{name}/manifest.json", b"{}")
        store.put(f"artifacts/{name}/1_Pooling/config.json", b"{}")
        record = VersionRecord(artifact_id=name, manifest_sha256="0" * 64, job_id=name)
        versions_log(store).append(lambda _, record=record: record)  # type: ignore[misc]
    release = ReleaseRecord(
        stable=1, aliases={"eu": 2}, canary=Canary(version=3, share=0.1), hold=True, why="test", by="test"
    )
    releases_log(store).append(lambda _: release)
    return store


def artifacts(store: FolderStore) -> list[str]:
    return store.list("artifacts")


def test_deleted_version_is_marked_and_its_files_go(filled: FolderStore) -> None:
    """The table stays as it is; only the files of a version that shares none go."""
    assert delete_version(filled, 4, "too large", "ann").artifacts == ()
    assert artifacts(filled) == ["a1", "a2", "a3", "a4"]
    done = delete_version(filled, 5, "", "ann")
    assert (done.release, done.artifacts) == (3, ("a4",))
    assert artifacts(filled) == ["a1", "a2", "a3"]
    first, marked, newest = releases_log(filled).entries()
    assert (marked.deleted, marked.why, marked.by, marked.change) == (4, "too large", "ann", "delete 4")
    for entry in (marked, newest):
        assert (entry.stable, entry.aliases, entry.canary, entry.hold) == (1, {"eu": 2}, first.canary, True)
    assert deleted_versions(releases_log(filled).entries()) == {4, 5}


@pytest.mark.parametrize(("version", "words"), [(1, "stable"), (2, "alias eu"), (3, "canary")])
def test_version_that_the_newest_release_names_is_kept(filled: FolderStore, version: int, words: str) -> None:
    """A server that starts now needs its files."""
    with pytest.raises(FailedPreconditionError, match=rf"in use by release 1 \({words}\)"):
        delete_version(filled, version, "", "ann")
    assert len(artifacts(filled)) == 4
    assert len(releases_log(filled).entries()) == 1


def test_version_that_servers_fall_back_to_is_kept_unless_forced(filled: FolderStore) -> None:
    """It may be the one that answers, where the newest is refused; what is before it may have no heads at all."""
    log = releases_log(filled)
    log.append(lambda _: ReleaseRecord(stable=4, why="test", by="test"))
    delete_version(filled, 3, "", "ann")
    with pytest.raises(FailedPreconditionError, match=r"version 1 was stable before version 4.*--force"):
        delete_version(filled, 1, "", "ann")
    assert "a1" in artifacts(filled)
    assert delete_version(filled, 1, "", "ann", force=True).artifacts == ("a1",)
    log.append(lambda _: ReleaseRecord(stable=5, why="test", by="test"))
    log.append(lambda _: ReleaseRecord(stable=2, why="test", by="test"))
    assert delete_version(filled, 4, "", "ann").release  # 5 is the fallback now
    with pytest.raises(FailedPreconditionError, match="version 5 was stable"):
        delete_version(filled, 5, "", "ann")


def test_version_that_never_was_is_not_found(filled: FolderStore) -> None:
    """A typo must not count as done."""
    with pytest.raises(NotFoundError, match="no version 9; the newest is 5"):
        delete_version(filled, 9, "", "ann")


def test_deleting_twice_deletes_once(filled: FolderStore) -> None:
    """A script may run again."""
    for _ in range(2):
        delete_version(filled, 4, "", "ann")
        delete_version(filled, 5, "", "ann")
    assert len(releases_log(filled).entries()) == 3


def test_deletion_killed_after_its_mark_is_finished_by_the_next(
    filled: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same version, or of any other."""
    delete_version(filled, 4, "", "ann")

    def killed(*_: Any) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deletion, "sweep", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_version(filled, 5, "", "ann")
    assert "a4" in artifacts(filled)
    (filled.root / "artifacts/a4/manifest.json").unlink()  # the kill may also come between two files
    assert delete_version(filled, 5, "", "ann").artifacts == ("a4",)
    assert artifacts(filled) == ["a1", "a2", "a3"]
    assert sweep(filled) == []


def test_manifest_goes_first(filled: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an artifact must not look like a whole one."""

    def killed(path: Path) -> None:
        raise OSError(5, "killed")

    monkeypatch.setattr("shared.store.folder.shutil.rmtree", killed)
    delete_version(filled, 4, "", "ann")
    with pytest.raises(Exception, match="cannot remove artifacts/a4"):
        delete_version(filled, 5, "", "ann")
    assert not filled.exists("artifacts/a4/manifest.json")
    assert filled.exists("artifacts/a4/1_Pooling/config.json")


def test_deletion_and_promotion_at_once_one_of_them_wins(filled: FolderStore) -> None:
    """Whoever is told `exists` decides again: never is a deleted version stable."""
    log = releases_log(filled)
    promotion, request = Promotion(4), Request("r", "", "ann")
    seen: list[int] = []

    def slow(releases: Any) -> ReleaseRecord | None:
        record = decide(promotion, request, releases)
        if not seen:
            delete_version(filled, 4, "", "bob")  # between its reading and its writing
        seen.append(len(releases))
        return record

    with pytest.raises(FailedPreconditionError, match="version 4 was deleted"):
        log.append(slow)
    assert seen == [1]
    assert log.entries()[-1].stable == 1

    log.append(lambda releases: decide(Promotion(5), request, releases))
    with pytest.raises(FailedPreconditionError, match="in use"):
        delete_version(filled, 5, "", "bob")


def test_version_deleted_before_its_release_is_not_released(filled: FolderStore) -> None:
    """A worker that died between the two records comes back to a version without files."""
    delete_version(filled, 4, "", "ann")
    record = next_release(releases_log(filled).entries(), Candidate("a4", 4, None))
    assert record is not None
    assert (record.stable, record.verdict, record.job_id) == (1, "deleted", "a4")
