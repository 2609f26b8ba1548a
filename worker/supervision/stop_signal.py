"""A request to stop that any thread can wait for and a signal handler can make.

Owns a pipe that is written once and never read, so every waiter sees it; unlike threading.Event it holds no lock that
a second signal could find taken.
"""

from __future__ import annotations

import os
import select


class StopSignal:
    """Not requested, then requested, for good. Thread-safe, signal-safe. Lives as long as its process."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def request(self) -> None:
        os.write(self._write_end, b".")

    @property
    def is_requested(self) -> bool:
        return self.wait(0)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is requested, at most `timeout_s`; True if it is."""
        poller = select.poll()
        poller.register(self._read_end, select.POLLIN)
        return bool(poller.poll(None if timeout_s is None else timeout_s * 1000))

    def fileno(self) -> int:
        """Readable from the request on, for a selector that waits for other things too."""
        return self._read_end
