"""`polyhead up` with the real server, worker and Valkey, on a tiny base model."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyhead import Client
from tests.processes import free_port, is_alive

ROOT = Path(__file__).parents[3]


class Up:
    """A running `polyhead up`."""

    def __init__(self, state: Path, tiny_base: Path) -> None:
        self.target = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "polyhead", "up", "--state", str(state), "--listen", self.target]
        environment = {**os.environ, "BASE_MODEL": str(tiny_base)}
        for name in ("REDIS_URL", "STORE_URL", "SERVER_LISTEN"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        self.pids: dict[str, int] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.match(r"(\w+) +process (\d+), log", line):
                self.pids[found[1]] = int(found[2])
            if line.startswith("serving on"):
                return
        raise AssertionError(self.process.communicate()[1])

    def end(self) -> tuple[int, str]:
        """Wait for the end; the exit status and what was said on stderr."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def running(tmp_path: Path, tiny_base: Path) -> Iterator[Up]:
    up = Up(tmp_path / "state", tiny_base)
    yield up
    if up.process.poll() is None:
        up.process.kill()
        up.process.communicate()


def test_up_serves_on_one_folder_until_sigterm_and_leaves_nothing(running: Up, tmp_path: Path) -> None:
    """Ready when it says so, one stack a folder, and a clean end that service managers can rely on."""
    assert set(running.pids) == {"Valkey", "worker", "server"}
    with Client(running.target) as client:
        info = client.server_info()
        assert info.model is not None
        assert info.model.version == 1
        assert len(client.embed("a sentence")[0].values) == info.model.dimensions
    second = subprocess.run(
        [sys.executable, "-m", "polyhead", "up", "--state", str(tmp_path / "state")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (second.returncode, str(running.process.pid) in second.stderr) == (1, True)
    config = tmp_path / "state" / "valkey" / "valkey.conf"
    assert config.stat().st_mode & 0o077 == 0
    running.process.send_signal(signal.SIGTERM)
    status, said = running.end()
    assert status == 0, said
    assert "stopped" in said
    assert not any(is_alive(pid) for pid in running.pids.values())


def test_up_whose_worker_dies_stops_the_rest_and_says_which(running: Up) -> None:
    """Half a stack that looks alive is worse than none; the log's end says why."""
    os.kill(running.pids["worker"], signal.SIGKILL)
    status, said = running.end()
    assert status == 1
    words = "error: worker was ended by SIGKILL (signal 9); start `polyhead up` again: accepted jobs go on"
    assert words in said.splitlines()
    assert "worker.log" in said
    assert not any(is_alive(pid) for pid in running.pids.values())


def test_up_on_a_port_that_is_taken_starts_nothing_and_names_it(tmp_path: Path) -> None:
    """A server that cannot listen would be found out late, by a log; and gRPC would share a port with another gRPC."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "polyhead", "up", "--state", str(tmp_path), "--listen", f"127.0.0.1:{port}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: port {port} of 127.0.0.1 is in use; choose another with --listen\n"
    assert not (tmp_path / "logs").exists()


def test_up_with_a_setting_that_stops_the_server_fails_at_once(tmp_path: Path) -> None:
    """The reason is in the log, so the log's end is shown, not a timeout."""
    environment = {**os.environ, "SERVER_NONSENSE": "1"}
    command = [sys.executable, "-m", "polyhead", "up", "--state", str(tmp_path), "--listen", f"127.0.0.1:{free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 1
    assert "error: server ended by itself with exit status" in done.stderr
    assert "SERVER_NONSENSE" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.dumps(sorted(path.name for path in (tmp_path / "logs").iterdir())) == (
        '["server.log", "valkey.log", "worker.log"]'
    )
