"""A child's lines come out whole, and no child outlives its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import is_alive
from tests.workers.stand import REPOSITORY
from worker.supervision.child_process import ChildProcess, child_environment
from worker.supervision.stop_signal import StopSignal


def run(code: str, stdin: str = "") -> tuple[list[tuple[str, str]], str]:
    """All lines of a Python program, and how it ended."""
    lines: list[tuple[str, str]] = []
    with ChildProcess([sys.executable, "-c", code], stdin, dict(os.environ), StopSignal()) as child:
        while child.is_running():
            lines += child.lines(0.1)
        lines += child.remaining_lines()
        return lines, child.describe_end()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_lines_of_both_streams_arrive_whole() -> None:
    """Messages are lines: one that is longer than a pipe, or has no newline at the end, must not be torn."""
    code = "import sys; print('x' * 300_000); print('oops', file=sys.stderr); print(input()); print('end', end='')"
    lines, end = run(code, stdin="from the input\n")
    assert [line for stream, line in lines if stream == "stdout"] == ["x" * 300_000, "from the input", "end"]
    assert ("stderr", "oops") in lines
    assert end == "exit status 0"


def test_end_by_signal_is_named() -> None:
    """`killed by SIGKILL` tells a person to look at memory; -9 does not."""
    assert run("import os; os.kill(os.getpid(), 9)")[1] == "killed by SIGKILL"
    assert run("raise SystemExit(3)")[1] == "exit status 3"


def test_input_that_is_not_read_does_not_block() -> None:
    """A trainer that dies at import reads nothing of its input."""
    assert run("pass", stdin="x" * 1_000_000)[1] == "exit status 0"


def test_leaving_the_context_kills_grandchildren_too() -> None:
    """A data loader's process must not go on after its trainer."""
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); "
    sleeper = "import time\ntime.sleep(600)"
    with ChildProcess([sys.executable, "-c", code + "\n" + sleeper], "", dict(os.environ), StopSignal()) as child:
        pids: list[int] = []
        while not pids:
            pids += [int(line) for stream, line in child.lines(0.1) if stream == "stdout"]
    wait_until(lambda: not is_alive(pids[0]))


def test_stop_signal_wakes_a_waiting_reader() -> None:
    """A stop must not wait for the trainer's next line."""
    stop = StopSignal()
    with ChildProcess(["/bin/sleep", "600"], "", dict(os.environ), stop) as child:
        stop.request()
        stop.request()
        assert list(child.lines(600)) == []
    assert stop.is_requested


def test_child_dies_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """kill -9 of the worker leaves no trainer behind that would go on eating the machine."""
    code = (
        "import os, sys, time\n"
        "from worker.supervision.child_process import ChildProcess\n"
        "from worker.supervision.stop_signal import StopSignal\n"
        "child = ChildProcess(['/bin/sleep', '600'], '', dict(os.environ), StopSignal())\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until(lambda: Path(f"/proc/{pid}/comm").read_text().strip() == "sleep")
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


def test_child_environment_has_threads_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer computes with the threads it was given, and needs no Redis."""
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.")
    environment = child_environment(3)
    assert environment["OMP_NUM_THREADS"] == "3"
    assert "secret" not in str(environment)
