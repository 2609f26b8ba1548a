"""One process of the stack: started in a session of its own, with its output at the end of a log file, surely ended.

Deliberately knows nothing about what runs in it. Not thread-safe; start it from a thread that outlives it (tether.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
#: How much of a log's end is read for its last lines.
TAIL_BYTES = 16_384


class Child:
    """Created stopped; `start` once, `stop` any number of times. The process's environment is exactly `environment`."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        """Start the process; its output goes below that of earlier starts, which may say why they ended."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        tethered = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self._command]
        with self.log.open("ab") as output:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            output.write(f"=== {self.name} started {now}\n".encode())
            output.flush()
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                tethered,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                # Ctrl-C in the terminal is for the parent, which stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def exit_status(self) -> int | None:
        """None while it runs or was never started; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    @property
    def has_died(self) -> bool:
        """It ended although nobody stopped it."""
        return self.exit_status is not None

    @property
    def how_it_died(self) -> str:
        """The exit status or signal in words; only of a child that has died."""
        status = self.exit_status
        if status is None:
            return "still runs"
        if status >= 0:
            return f"ended by itself with exit status {status}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = "a signal without a name"
        return f"was ended by {name} (signal {-status})"

    def stop(self, grace_s: float) -> None:
        """Ask to end, wait, then kill its whole process group. Returns when the process is gone."""
        if self._process is None:
            return
        try:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        finally:
            if self._process.poll() is None:
                # It still runs, or waits to be reaped, so its number cannot mean another group yet.
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def tail(self, num_lines: int = 15) -> str:
        """The last lines of its log since it was started."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_start, self.log.stat().st_size - TAIL_BYTES))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-num_lines:])
        except OSError as error:
            return f"(its log cannot be read: {error.strerror})"
