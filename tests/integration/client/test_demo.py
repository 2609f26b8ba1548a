"""`polyhead demo` from a download to predictions; the source is a local HTTP server, the base model tiny."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LABELS = {"sentiment": ["negative", "neutral", "positive"], "hate": ["not-hate", "hate"]}
WORDS = ["rain grey loss", "room table hour", "sun gold song"]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Tests print nothing."""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Path]:
    """A catalogue whose two sets, of sixty rows each part, are served on this machine."""
    source = tmp_path / "source"
    for name, labels in LABELS.items():
        folder = source / name
        folder.mkdir(parents=True)
        (folder / "mapping.txt").write_text("".join(f"{number}\t{label}\n" for number, label in enumerate(labels)))
        for part in ("train", "val", "test"):
            rows = [(number % len(labels), number) for number in range(60)]
            text = "".join(
                f"{WORDS[label]} {part} number{number} is{number * 7} here{number * 13}\n" for label, number in rows
            )
            (folder / f"{part}_text.txt").write_text(text)
            (folder / f"{part}_labels.txt").write_text("".join(f"{label}\n" for label, _ in rows))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(source)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    path = tmp_path / "catalogue.toml"
    path.write_text("\n".join(_entry(name, labels, server.server_port) for name, labels in LABELS.items()))
    yield path
    server.shutdown()
    thread.join()
    server.server_close()


def _entry(name: str, labels: list[str], port: int) -> str:
    files = [f"{part}_{kind}.txt" for part in ("train", "val", "test") for kind in ("text", "labels")] + ["mapping.txt"]
    lines = [
        "[[dataset]]",
        f'name = "tweeteval-{name}"',
        f'title = "{name}"',
        'page = "http://127.0.0.1/"',
        'licence = "none"',
        f'folder = "tweeteval/{name}"',
        f'base_url = "http://127.0.0.1:{port}/{name}/"',
        'format = "tweeteval"',
        f"labels = {labels}",
        *(f'[[dataset.files]]\npath = "{file}"' for file in files),
    ]
    return "\n".join(lines)


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in a quiet environment."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATA_MIRROR"}
    return subprocess.run(
        [sys.executable, "-m", "polyhead", "demo", *arguments],
        capture_output=True,
        text=True,
        env={**inherited, **environment},
        cwd=ROOT,
        timeout=240,
        check=False,
    )


def running_commands() -> list[str]:
    """Command lines of all processes, from /proc: a bare machine has no ps."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended in between
            commands.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return commands


def test_demo_on_public_data_runs_twice_on_one_folder(catalogue: Path, tiny_base: Path, tmp_path: Path) -> None:
    """Download, stack, job, publication, hot reload, predictions; and the second run goes on where the first ended."""
    arguments = ("--data", "public", "--catalogue", str(catalogue), "--state", str(tmp_path / "state"))
    for old, new in ((1, 2), (2, 3)):
        done = demo(*arguments, BASE_MODEL=str(tiny_base))
        assert done.returncode == 0, done.stderr + done.stdout
        assert "fetched into" in done.stdout
        assert f"version {new} published" in done.stdout
        assert re.search(rf"process \d+, not restarted\) switched from version {old} to version {new}", done.stdout)
        assert f"predictions of version {new}" in done.stdout
        assert done.stdout.count("│ TF-IDF + LR") == 2
        assert "cosine similarity" in done.stdout
        assert "succeeded" in done.stderr
        assert "nothing is left running" in done.stdout
    assert not [command for command in running_commands() if str(tmp_path) in command]


def test_demo_whose_job_fails_exits_with_1_and_names_the_logs(catalogue: Path, tiny_base: Path, tmp_path: Path) -> None:
    """A broken demo must be loud in CI, and say where to look."""
    (tmp_path / "source" / "hate" / "train_labels.txt").write_text("0\n" * 60)
    done = demo(
        *("--data", "public", "--catalogue", str(catalogue), "--state", str(tmp_path / "state")),
        BASE_MODEL=str(tiny_base),
    )
    assert done.returncode == 1
    assert "INVALID_DATA" in done.stderr
    assert str(tmp_path / "state" / "logs") in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def test_demo_that_cannot_download_starts_nothing_and_exits_with_1(tmp_path: Path, catalogue: Path) -> None:
    """Without network, the way out is named."""
    (tmp_path / "source" / "hate" / "mapping.txt").unlink()
    done = demo("--data", "public", "--catalogue", str(catalogue), "--state", str(tmp_path / "state"))
    assert done.returncode == 1
    assert "--data samples" in done.stderr
    assert not (tmp_path / "state" / "logs").exists()


@pytest.mark.parametrize(("environment", "word"), [({}, "DATA_MIRROR"), ({"DATA_MIRROR": "/nowhere"}, "kaggle_layout")])
def test_demo_on_a_mirror_that_is_not_there_exits_with_2(
    environment: dict[str, str], word: str, tmp_path: Path
) -> None:
    """The wish for real data is not silently turned into samples."""
    done = demo("--data", "mirror", "--state", str(tmp_path), **environment)
    assert done.returncode == 2
    assert word in done.stderr
