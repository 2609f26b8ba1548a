"""Looking at processes without `ps`, which a bare machine has not."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not. It may end while one looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    """Processes that `pid` started and that still run."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for path in lists for child in map(int, path.read_text().split()) if is_alive(child)]


def wait_until(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Fail if it does not come true in time: a bound for a broken run, not an expectation."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has just now. Servers of parallel runs must not meet on a default one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
