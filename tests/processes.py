"""Looking at processes without `ps`, which a bare machine has not."""

from __future__ import annotations

import socket
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not. It may end while one looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has just now. Servers of parallel runs must not meet on a default one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
