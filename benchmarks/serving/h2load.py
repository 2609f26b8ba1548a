"""h2load as a gRPC load generator: closed loops of one message each, several at once with different bodies."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message


class H2loadMissingError(RuntimeError):
    """h2load is not installed."""


@dataclass(frozen=True, slots=True)
class Load:
    """Calls of `message` over so many connections.

    A closed loop, one call in flight on each connection; or, with `calls_per_s`, an open one at that rate over all
    connections, each call with `deadline_s`.
    """

    message: Message
    connections: int
    calls_per_s: float = 0.0
    deadline_s: float = 0.0

    def options(self) -> list[str]:
        """h2load's options for it."""
        pace = ["-m", "1"]
        if self.calls_per_s:
            # h2load paces each client in whole calls a second; Outcome.started tells what came of it.
            pace = ["-m", "2000", "--rps", str(max(1, round(self.calls_per_s / self.connections)))]
        deadline = ["-H", f"grpc-timeout: {round(self.deadline_s * 1000)}m"] if self.deadline_s else []
        return ["-c", str(self.connections), *pace, *deadline]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of load i in the measured time: `started[i]` calls were sent, `answered[i]` came back, whatever their status."""

    started: list[int]
    answered: list[int]
    seconds: float
    #: CPU seconds of all generators together.
    cpu_s: float


def path_of_h2load() -> str:
    """
    Raises:
        H2loadMissingError: saying how to install it.
    """
    path = shutil.which("h2load")
    if path is None:
        raise H2loadMissingError("h2load is not installed; on Debian and Ubuntu: apt install nghttp2-client")
    return path


def run(target: str, method: str, loads: Sequence[Load], seconds: int, warm_up_s: int = 1) -> Outcome:
    """All loads at once against `method` (/package.Service/Method) of the server at `target`.

    Raises:
        RuntimeError: if a generator fails.
    """
    binary = path_of_h2load()
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for number, load in enumerate(loads):
            body = load.message.SerializeToString()
            path = Path(folder) / f"{number}.bin"
            path.write_bytes(struct.pack(">BI", 0, len(body)) + body)
            command = [
                binary, "-t", "1", *load.options(), "-D", str(seconds), "--warm-up-time", str(warm_up_s),
                "-d", str(path),
                "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{target}{method}",
            ]  # fmt: skip
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        started, answered, cpu_s = [], [], 0.0
        for process in processes:
            assert process.stdout is not None
            told = process.stdout.read()
            process.stdout.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu_s += usage.ru_utime + usage.ru_stime
            counts = _counts(told)
            if process.returncode != 0 or counts is None:
                raise RuntimeError(f"h2load ended with {process.returncode}:\n{told}")
            started.append(counts[0])
            answered.append(counts[1])
    return Outcome(started, answered, float(seconds), cpu_s)


def _counts(told: str) -> tuple[int, int] | None:
    """Calls that were started and that succeeded, in the generator's words; None if it does not say."""
    found = re.search(r"(\d+) started, \d+ done, (\d+) succeeded", told)
    return (int(found[1]), int(found[2])) if found else None
