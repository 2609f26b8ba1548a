"""Notices a consumer that has gone deaf: messages wait, and this worker is idle.

Owns the suspicion only; what follows from it is the caller's. Celery workers with Redis have been seen to stay alive
and take nothing after a broken connection (celery issues 8030 and 10205). Used by the caretaker's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from shared.doorbell import Doorbell

_log = structlog.get_logger(__name__)

#: Twice the longest pause between two of Celery's attempts to connect (32 s).
DEAF_AFTER_S = 64.0


class Hearing:
    """Checked every sweep."""

    def __init__(
        self,
        doorbell: Doorbell,
        idle_s: Callable[[], float],
        give_up: Callable[[], None],
        deaf_after_s: float = DEAF_AFTER_S,
    ) -> None:
        """`give_up` is called when messages waited for `deaf_after_s` while `idle_s` said that nothing was done."""
        self._doorbell = doorbell
        self._idle_s = idle_s
        self._give_up = give_up
        self._deaf_after_s = deaf_after_s
        self._waiting_since: float | None = None

    def check(self) -> None:
        """
        Raises:
            UnavailableError: if Redis does not answer; time without Redis does not count.
        """
        now, since = time.monotonic(), self._waiting_since
        self._waiting_since = None
        if self._doorbell.queue_length() == 0:
            return
        self._waiting_since = now if since is None else since
        waited_s = min(now - self._waiting_since, self._idle_s())
        if waited_s > self._deaf_after_s:
            _log.critical("messages wait and this idle worker does not take them; it ends", waited_s=round(waited_s))
            self._give_up()
