"""An artifact travels as one file, and what arrives is what left, or nothing arrives."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import (
    CorruptArtifactError,
    FailedPreconditionError,
    InvalidInputError,
    NotFoundError,
    SchemaVersionError,
)
from shared.store.artifacts import ArtifactReader, Manifest, Probes, write_artifact
from shared.store.folder import FolderStore
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.publishing.cli import main
from worker.publishing.transfer import export_version, import_version

FILES = {"model.safetensors": bytes(range(256)) * 40, "1_Pooling/config.json": b"{}", "empty": b""}
Members = dict[str, bytes]


def add_version(store: FolderStore, artifact_id: str) -> int:
    """Files that are no model: moving them does not look inside."""
    manifest = Manifest(
        artifact_id=artifact_id,
        files={},
        tasks=(),
        base_model="b",
        encoder_id="e",
        dimensions=2,
        max_tokens=8,
        metrics={"mood": {"model": {"macro_f1": 0.5}}},
        code_version="test",
        probes=Probes(sentences=(), labels={}, embeddings=(), scores={}, tolerances={}),
    )
    digest = write_artifact(store, manifest, FILES)
    record = VersionRecord(artifact_id=artifact_id, manifest_sha256=digest, job_id=artifact_id)
    number = versions_log(store).append(lambda _: record)
    assert number is not None
    return number


def delete_mark(store: FolderStore, version: int) -> None:
    releases_log(store).append(lambda _: ReleaseRecord(stable=99, deleted=version, why="test", by="test"))


@pytest.fixture
def archive(store: FolderStore, tmp_path: Path) -> Path:
    add_version(store, "a1")
    export_version(store, 1, tmp_path / "a.tar", overwrite=False)
    return tmp_path / "a.tar"


@pytest.fixture
def other(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "other")


def assert_whole(store: FolderStore, version: int) -> None:
    record = versions_log(store).entries()[version - 1]
    artifact = ArtifactReader(store, record.artifact_id, record.manifest_sha256)
    assert {name: artifact.read(name) for name in artifact.manifest.files} == FILES
    assert artifact.manifest.artifact_id == record.artifact_id


def test_exported_version_arrives_whole_and_unreleased(archive: Path, other: FolderStore) -> None:
    """From the store where it was trained to the one where it serves."""
    done = import_version(other, archive)
    assert (done.version, done.is_new) == (1, True)
    assert_whole(other, 1)
    record = versions_log(other).entries()[0]
    assert record.metrics["mood"]["model"]["macro_f1"] == 0.5
    assert releases_log(other).entries() == ()


def test_same_file_again_is_the_same_version(archive: Path, other: FolderStore, store: FolderStore) -> None:
    """Also in the store that it came from."""
    import_version(other, archive)
    assert (import_version(other, archive).version, import_version(other, archive).is_new) == (1, False)
    assert import_version(store, archive).version == 1
    assert len(versions_log(other).entries()) == 1


def test_import_makes_a_store_that_is_not_there_and_says_so(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A new machine gets its first model from a file."""
    folder = tmp_path / "srv" / "store"
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(["import", str(archive), "--store-url", str(folder)])
        assert ended.value.code == 0
    out, err = capfd.readouterr()
    assert "imported as version 1; serve it with: polyhead models promote 1" in out
    assert err == f"made a new store at {folder}\n"
    assert_whole(FolderStore(folder), 1)


def test_file_that_cannot_be_imported_makes_no_store(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor does a version that is to be exported from a store that is not there."""
    archive.write_bytes(archive.read_bytes()[:5000])
    for arguments in (["import", str(archive)], ["export", "1"], ["delete", "1"]):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--store-url", str(tmp_path / "new")])
        assert ended.value.code == 1
    assert not (tmp_path / "new").exists()
    assert "made a new store" not in capfd.readouterr().err


def test_import_into_an_empty_folder_makes_it_a_store(archive: Path, tmp_path: Path) -> None:
    """A volume that was just mounted."""
    (tmp_path / "volume").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["import", str(archive), "--store-url", str(tmp_path / "volume")])
    assert ended.value.code == 0
    assert_whole(FolderStore(tmp_path / "volume"), 1)


def test_import_where_no_store_can_be_says_where_and_what_to_do(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bare "Not a directory" would send people to look at their archive."""
    with pytest.raises(SystemExit) as ended:
        main(["import", str(archive), "--store-url", str(archive)])
    assert ended.value.code == 1
    error = capfd.readouterr().err
    assert f"store {archive}: cannot write" in error
    assert "--store-url or STORE_URL" in error


def test_import_killed_before_its_version_is_finished_by_the_next(archive: Path, other: FolderStore) -> None:
    """All files lie there, no record names them: nothing is written twice under another id."""
    import_version(other, archive)
    (other.root / "versions/1.json").unlink()
    assert import_version(other, archive).version == 1
    assert len(list((other.root / "artifacts").iterdir())) == 1


def test_import_of_a_deleted_version_is_a_new_one(archive: Path, other: FolderStore) -> None:
    """Its old files may be going at this moment, so the new ones lie elsewhere."""
    import_version(other, archive)
    delete_mark(other, 1)
    assert import_version(other, archive).version == 2
    assert_whole(other, 2)
    assert versions_log(other).entries()[1].artifact_id.startswith("a1.")


def test_export_twice_gives_the_same_bytes(store: FolderStore, archive: Path, tmp_path: Path) -> None:
    """So that files can be compared by their hash."""
    export_version(store, 1, tmp_path / "b.tar", overwrite=False)
    assert (tmp_path / "b.tar").read_bytes() == archive.read_bytes()


def test_export_does_not_overwrite_unless_told(store: FolderStore, archive: Path) -> None:
    """And leaves nothing half-written beside it."""
    before = archive.read_bytes()
    with pytest.raises(InvalidInputError, match="--force"):
        export_version(store, 1, archive, overwrite=False)
    export_version(store, 1, archive, overwrite=True)
    assert archive.read_bytes() == before
    assert [path.name for path in archive.parent.glob("a.tar*")] == ["a.tar"]


def test_export_of_what_is_not_there_or_not_whole_is_refused(store: FolderStore, archive: Path, tmp_path: Path) -> None:
    """A file that is made is a file that can be imported."""
    with pytest.raises(NotFoundError, match="no version 7; the newest is 1"):
        export_version(store, 7, tmp_path / "x.tar", overwrite=False)
    (store.root / "artifacts/a1/empty").write_bytes(b"!")
    with pytest.raises(CorruptArtifactError, match="empty"):
        export_version(store, 1, tmp_path / "x.tar", overwrite=False)
    delete_mark(store, 1)
    with pytest.raises(FailedPreconditionError, match="deleted"):
        export_version(store, 1, tmp_path / "x.tar", overwrite=False)
    assert list(tmp_path.glob("x.tar*")) == []


def read_members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]


def rewrite(path: Path, change: Callable[[Members], None]) -> None:
    members = read_members(path)
    change(members)
    with tarfile.open(path, "w") as tar:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))


def edit_manifest(members: Members, change: Callable[[dict], None]) -> None:
    """With right hashes: a forger has those too."""
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    label = json.loads(members["polyhead.json"])
    label["manifest_sha256"] = hashlib.sha256(members["manifest.json"]).hexdigest()
    members["polyhead.json"] = json.dumps(label).encode()


def escape(members: Members) -> None:
    body = b"owned"
    entry = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    edit_manifest(members, lambda manifest: manifest["files"].update({"../../../escaped": entry}))
    members["files/../../../escaped"] = body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update({"files/empty": b"!"}), "has 1 bytes"),
        (lambda m: m.update({"files/1_Pooling/config.json": b"[]"}), "has sha256"),
        (lambda m: m.pop("files/empty"), "it lacks empty"),
        (lambda m: m.update({"files/more": b"x"}), "'files/more' is not in its manifest"),
        (lambda m: m.update({"../escaped": b"x"}), "is not in its manifest"),
        (escape, "not a store key"),
        (lambda m: edit_manifest(m, lambda b: b.update(artifact_id="../../escaped")), "not a store key"),
        (lambda m: edit_manifest(m, lambda b: b.update(artifact_id=".hidden")), "names that no artifact has"),
        (lambda m: edit_manifest(m, lambda b: b.pop("probes")), "not a valid Manifest"),
        (lambda m: m.update({"manifest.json": m["manifest.json"] + b" "}), "its manifest has sha256"),
        (lambda m: m.pop("manifest.json"), "does not begin with"),
        (lambda m: m.update({"polyhead.json": b'{"format": "zip"}'}), "no polyhead-artifact"),
        (lambda m: m.update({"polyhead.json": b"?"}), "not JSON"),
    ],
)
def test_file_that_is_not_what_it_says_is_refused_and_nothing_is_written(
    archive: Path, other: FolderStore, change: Callable[[Members], None], words: str
) -> None:
    """It may come from anywhere: no byte of it is trusted, and no path of it is used."""
    rewrite(archive, change)
    with pytest.raises(CorruptArtifactError, match=words):
        import_version(other, archive)
    assert not other.root.exists()
    assert not list(archive.parent.rglob("*escaped*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_member_that_is_no_plain_file_is_refused(archive: Path, other: FolderStore, kind: bytes) -> None:
    """A link under a good name would read what it points to."""
    members = read_members(archive)
    with tarfile.open(archive, "w") as tar:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            if name == "files/model.safetensors":
                member.type, member.linkname = kind, "/etc/passwd"
                tar.addfile(member)
            else:
                member.size = len(body)
                tar.addfile(member, io.BytesIO(body))
    with pytest.raises(CorruptArtifactError, match="no plain file"):
        import_version(other, archive)
    assert not other.root.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.95])
def test_file_that_was_cut_is_refused(archive: Path, other: FolderStore, share: float) -> None:
    """A copy that broke off."""
    body = archive.read_bytes()
    archive.write_bytes(body[: int(len(body.rstrip(b"\0")) * share)])
    with pytest.raises(CorruptArtifactError, match="cannot be imported"):
        import_version(other, archive)
    assert not other.root.exists()


def test_file_of_a_newer_code_says_so(archive: Path, other: FolderStore) -> None:
    """It is not corrupt, this code is old."""
    rewrite(archive, lambda m: edit_manifest(m, lambda body: body.update(schema=9)))
    with pytest.raises(SchemaVersionError, match="schema version 9"):
        import_version(other, archive)


def test_file_that_is_not_there_says_so(other: FolderStore, tmp_path: Path) -> None:
    """The commonest mistake."""
    with pytest.raises(InvalidInputError, match="No such file"):
        import_version(other, tmp_path / "nowhere.tar")
