"""A child process in its own session: its output as lines, its end as words, and its certain death.

Owns the process and its pipes, not what the lines mean. Used by one thread, which must outlive the child: the child is
killed when that thread ends (see tether).
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from worker.supervision.stop_signal import StopSignal

Stream = Literal["stdout", "stderr"]
TETHER = Path(__file__).with_name("tether.py")
#: Seconds between the polite and the impolite signal.
KILL_GRACE_S = 1.0
_POLL_S = 0.02
_CHUNK = 65536
_SIGNAL_NAMES = {member.value: member.name for member in signal.Signals}


class ChildProcess:
    """Running from construction on; `with` kills its whole process group at the latest."""

    def __init__(self, command: Sequence[str], stdin: str, env: Mapping[str, str], stop: StopSignal) -> None:
        """`stop` wakes a waiting `lines`; acting on it is the caller's.

        Raises:
            OSError: if no process can be started: no space, no memory, no interpreter.
        """
        self._rests: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        # Before the process: where it fails, for want of a descriptor, there is nothing to kill.
        self._selector = selectors.DefaultSelector()
        try:
            self._process = self._start(command, stdin, env)
        except OSError:
            self._selector.close()
            raise
        self._pipes = [self._process.stdout, self._process.stderr]
        self._selector.register(stop, selectors.EVENT_READ)
        streams: tuple[Stream, Stream] = ("stdout", "stderr")
        for stream, pipe in zip(streams, self._pipes, strict=True):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, stream)

    @staticmethod
    def _start(command: Sequence[str], stdin: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # A file, since a pipe would block on a child that does not read it.
        with tempfile.TemporaryFile() as body:
            body.write(stdin.encode())
            body.seek(0)
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command],
                stdin=body,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._selector.close()
        for pipe in self._pipes:
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        if self._process.returncode is not None:
            return False
        # Not reaped yet: until then no other process or group gets its id, so `kill` hits what it means.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def lines(self, timeout_s: float) -> Iterator[tuple[Stream, str]]:
        """Wait for output, at most `timeout_s`, and yield the lines that are complete."""
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:  # the stop signal
                continue
            stream: Stream = key.data
            yield from ((stream, line) for line in self._read(stream, key.fd))

    def remaining_lines(self) -> Iterator[tuple[Stream, str]]:
        """What an ended child left in its pipes, the last line too if it has no newline."""
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                yield from ((key.data, line) for line in self._read(key.data, key.fd))
        for stream, rest in self._rests.items():
            if rest:
                yield stream, rest.decode(errors="replace")
                self._rests[stream] = b""

    def _read(self, stream: Stream, descriptor: int) -> list[str]:
        body = self._rests[stream]
        while True:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                self._selector.unregister(descriptor)
                break
            body += chunk
        *complete, self._rests[stream] = body.split(b"\n")
        return [line.decode(errors="replace") for line in complete]

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, at most `timeout_s`; True if it has ended."""
        deadline = time.monotonic() + timeout_s
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return not self.is_running()

    def kill(self) -> None:
        """End the process group: SIGTERM, and after KILL_GRACE_S SIGKILL. Returns when the child is reaped."""
        if self._process.returncode is not None:
            return
        if self.is_running():
            os.killpg(self._process.pid, signal.SIGTERM)
            self.wait(KILL_GRACE_S)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def describe_end(self) -> str:
        """How a killed or ended child ended: `killed by SIGKILL`, `exit status 3`."""
        self.kill()
        code = self._process.returncode
        if code >= 0:
            return f"exit status {code}"
        return f"killed by {_SIGNAL_NAMES.get(-code, f'signal {-code}')}"


def child_environment(num_threads: int) -> dict[str, str]:
    """Our environment with thread counts, and without the password that a process which computes does not need."""
    threads = str(num_threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    ours = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return {**ours, **dict.fromkeys(names, threads), "PYTHONUNBUFFERED": "1"}
