"""`fetch` against a source that behaves like the public internet on a bad day."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.integration.data.conftest import RunData
from tests.integration.data.source_server import SourceServer
from worker.data.catalogue import Dataset
from worker.data.downloads import Downloader, DownloadError
from worker.data.fetching import Fetcher

CONTENT = b"text,label\n" + b"".join(b"some text number %d,x\n" % n for n in range(20_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def write_catalogue(path: Path, url: str = "", sha256: str = "", extra: str = "", file_extra: str = "") -> Path:
    base_url = f'base_url = "{url}"' if url else ""
    checksum = f'sha256 = "{sha256}"' if sha256 else ""
    path.write_text(
        f"""
[[dataset]]
name = "small"
title = "Small"
page = "https://example.org/small"
licence = "CC0"
folder = "sets/small"
{base_url}
train = "a.csv"
labels = ["x", "y"]
{extra}
[[dataset.files]]
path = "a.csv"
{checksum}
{file_extra}
"""
    )
    return path


def dataset_at(url: str, sha256: str | None = None) -> Dataset:
    return Dataset.model_validate(
        {
            "name": "small",
            "title": "Small",
            "page": "https://example.org/small",
            "licence": "CC0",
            "folder": "small",
            "base_url": url,
            "files": [{"path": "a.csv", "sha256": sha256}],
        }
    )


def fetcher(target: Path, **limits: float) -> Fetcher:
    settings: dict[str, float] = {"timeout_s": 10, "attempts": 3, "pause_s": 0, **limits}
    return Fetcher(target, None, Downloader(**settings), lambda name: lambda done, total: None)  # type: ignore[arg-type]


def test_fetch_from_address_verifies_and_records(source: SourceServer, run_data: RunData, tmp_path: Path) -> None:
    """The plain case, through the command line: the file, its record, and status 0."""
    source.behaviour.files["a.csv"] = CONTENT
    catalogue = write_catalogue(tmp_path / "c.toml", source.url, SHA256)
    outcome = run_data("fetch", "small", "--to", tmp_path / "to", "--catalogue", catalogue, "--json")
    assert outcome.status == 0
    assert outcome.json[0]["action"] == "downloaded"
    assert (tmp_path / "to/sets/small/a.csv").read_bytes() == CONTENT
    record = json.loads((tmp_path / "to/fetched.json").read_text())["sets/small/a.csv"]
    assert (record["sha256"], record["verified"], record["source"]) == (SHA256, True, f"{source.url}/a.csv")
    again = run_data("fetch", "small", "--to", tmp_path / "to", "--catalogue", catalogue, "--json")
    assert again.json[0]["action"] == "already there"
    assert len(source.behaviour.asked) == 1


def test_fetch_cut_connection_resumes_where_it_broke(source: SourceServer, tmp_path: Path) -> None:
    """Large files over weak lines arrive only if no byte is asked for twice."""
    source.behaviour.files["a.csv"] = CONTENT
    source.behaviour.cut_after, source.behaviour.cuts = 100_000, 2
    fetched = fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))
    assert fetched[0].sha256 == SHA256
    assert source.behaviour.asked == ["", "bytes=100000-", "bytes=200000-"]


def test_fetch_after_giving_up_goes_on_in_the_next_run(source: SourceServer, tmp_path: Path) -> None:
    """What was paid for once is kept, also when the program ended in between."""
    source.behaviour.files["a.csv"] = CONTENT
    source.behaviour.cut_after, source.behaviour.cuts = 100_000, 3
    with pytest.raises(DownloadError, match=r"after 300,000 of .* bytes .*300,000 bytes are kept\); run the same"):
        fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))
    assert not (tmp_path / "small/a.csv").exists()
    fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))
    assert (tmp_path / "small/a.csv").read_bytes() == CONTENT
    assert source.behaviour.asked[-1] == "bytes=300000-"
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == ["a.csv"]


def test_fetch_file_changed_between_runs_starts_anew(source: SourceServer, tmp_path: Path) -> None:
    """Half of the old and half of the new version would be a file that never existed."""
    behaviour = source.behaviour
    behaviour.files["a.csv"] = b"old" * 100_000
    behaviour.cut_after, behaviour.cuts = 100_000, 1
    with pytest.raises(DownloadError):
        fetcher(tmp_path, attempts=1).fetch(dataset_at(source.url))
    behaviour.files["a.csv"], behaviour.etag = CONTENT, '"two"'
    fetcher(tmp_path).fetch(dataset_at(source.url))
    assert (tmp_path / "small/a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"one"'), (True, None), (True, 'W/"weak"')])
def test_fetch_source_without_ranges_starts_over(
    source: SourceServer, tmp_path: Path, ranges: bool, etag: str | None
) -> None:
    """Not every server can continue, or promise that the rest belongs to the beginning."""
    behaviour = source.behaviour
    behaviour.files["a.csv"], behaviour.ranges, behaviour.etag = CONTENT, ranges, etag
    behaviour.cut_after, behaviour.cuts = 100_000, 1
    fetched = fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))
    assert fetched[0].size == len(CONTENT)


def test_fetch_complete_part_that_cannot_continue_starts_over(source: SourceServer, tmp_path: Path) -> None:
    """A program killed after the last byte leaves a part that has nothing to go on with (416)."""
    source.behaviour.files["a.csv"] = CONTENT
    (tmp_path / "small").mkdir()
    (tmp_path / "small/a.csv.part").write_bytes(CONTENT)
    (tmp_path / "small/a.csv.part.etag").write_text('"one"')
    assert fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))[0].sha256 == SHA256
    assert source.behaviour.asked == [f"bytes={len(CONTENT)}-", ""]


def test_fetch_wrong_checksum_deletes_and_shows_both(source: SourceServer, run_data: RunData, tmp_path: Path) -> None:
    """A file that is not what the catalogue promised must not be trained on, nor be resumed."""
    source.behaviour.files["a.csv"] = CONTENT
    catalogue = write_catalogue(tmp_path / "c.toml", source.url, "0" * 64)
    outcome = run_data("fetch", "small", "--to", tmp_path / "to", "--catalogue", catalogue)
    assert outcome.status == 1
    assert "wrong checksum" in outcome.err
    assert "0" * 64 in outcome.err
    assert SHA256 in outcome.err
    assert list((tmp_path / "to/sets/small").iterdir()) == []
    assert not (tmp_path / "to/fetched.json").exists()


def test_fetch_damaged_file_that_is_there_is_fetched_again(source: SourceServer, tmp_path: Path) -> None:
    """Where the right checksum is known, a damaged copy mends itself."""
    source.behaviour.files["a.csv"] = CONTENT
    (tmp_path / "small").mkdir()
    (tmp_path / "small/a.csv").write_bytes(b"damaged")
    assert fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))[0].action == "downloaded"


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "404 .* no longer there"), (403, "403 .* needs a login"), (400, "400 Bad Request")],
)
def test_fetch_refusal_fails_at_once(source: SourceServer, tmp_path: Path, status: int, message: str) -> None:
    """Asking again does not help; what to do instead is in the message."""
    source.behaviour.status, source.behaviour.refusals = status, 5
    with pytest.raises(DownloadError, match=message):
        fetcher(tmp_path).fetch(dataset_at(source.url))
    assert len(source.behaviour.asked) == 1


def test_fetch_server_error_is_tried_again(source: SourceServer, tmp_path: Path) -> None:
    """A busy server is the most common reason of all."""
    source.behaviour.files["a.csv"] = CONTENT
    source.behaviour.status, source.behaviour.refusals = 503, 2
    assert fetcher(tmp_path).fetch(dataset_at(source.url, SHA256))[0].verified


def test_fetch_silent_server_times_out_and_is_tried_again(source: SourceServer, tmp_path: Path) -> None:
    """A connection that hangs must not hang the person."""
    source.behaviour.files["a.csv"] = CONTENT
    source.behaviour.silences = 1
    assert fetcher(tmp_path, timeout_s=0.3).fetch(dataset_at(source.url, SHA256))[0].verified


def test_fetch_silent_server_gives_up_with_time_and_address(source: SourceServer, tmp_path: Path) -> None:
    """The message must say how long it waited, and for whom."""
    source.behaviour.silences = 2
    with pytest.raises(DownloadError, match=r"http://127.*: the server was silent for 0\.2 s \(2 attempts, 0 bytes"):
        fetcher(tmp_path, timeout_s=0.2, attempts=2).fetch(dataset_at(source.url))


def test_fetch_no_server_says_no_connection(tmp_path: Path) -> None:
    """Without a network the first command a person tries must say so."""
    server = SourceServer()
    server.server_close()
    with pytest.raises(DownloadError, match="no connection"):
        fetcher(tmp_path, attempts=2).fetch(dataset_at(server.url))


def test_fetch_mirror_comes_before_the_address(source: SourceServer, run_data: RunData, tmp_path: Path) -> None:
    """With a mirror there is no traffic, and the checksum still counts."""
    mirror = tmp_path / "mirror/sets/small"
    mirror.mkdir(parents=True)
    (mirror / "a.csv").write_bytes(CONTENT)
    catalogue = write_catalogue(tmp_path / "c.toml", source.url, SHA256)
    arguments = ("fetch", "small", "--to", tmp_path / "to", "--catalogue", catalogue, "--mirror", tmp_path / "mirror")
    outcome = run_data(*arguments, "--json")
    assert (outcome.status, outcome.json[0]["source"]) == (0, "mirror")
    assert source.behaviour.asked == []
    (mirror / "a.csv").write_bytes(b"other")
    outcome = run_data(*arguments, "--force")
    assert (outcome.status, "from mirror: wrong checksum" in outcome.err) == (1, True)


def test_fetch_login_names_page_and_place_then_takes_the_file(run_data: RunData, tmp_path: Path) -> None:
    """What a program may not download, it can explain; afterwards the file is recorded like any other."""
    catalogue = write_catalogue(tmp_path / "c.toml", extra="login = true")
    arguments = ("fetch", "small", "--to", tmp_path / "to", "--catalogue", catalogue)
    outcome = run_data(*arguments)
    place = tmp_path / "to/sets/small/a.csv"
    assert outcome.status == 1
    assert "needs a login: get it from https://example.org/small" in outcome.err
    assert str(place) in outcome.err
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert run_data(*arguments).status == 0
    assert json.loads((tmp_path / "to/fetched.json").read_text())["sets/small/a.csv"]["sha256"] == SHA256


def test_fetch_member_of_archive_is_taken_out(source: SourceServer, run_data: RunData, tmp_path: Path) -> None:
    """The STS benchmark is published as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("inner/a.csv")
        info.size = len(CONTENT)
        tar.addfile(info, io.BytesIO(CONTENT))
    source.behaviour.files["all.tar.gz"] = buffer.getvalue()
    file_extra = f'url = "{source.url}/all.tar.gz"\nmember = "inner/a.csv"'
    catalogue = write_catalogue(tmp_path / "c.toml", sha256=SHA256, file_extra=file_extra)
    assert run_data("fetch", "small", "--to", tmp_path / "to", "--catalogue", catalogue).status == 0
    assert [path.name for path in (tmp_path / "to/sets/small").iterdir()] == ["a.csv"]
    missing = write_catalogue(tmp_path / "m.toml", file_extra=file_extra.replace("inner", "outer"))
    outcome = run_data("fetch", "small", "--to", tmp_path / "two", "--catalogue", missing)
    assert (outcome.status, "'outer/a.csv' cannot be taken out of the archive" in outcome.err) == (1, True)
