"""Keeps a lease while its holder works, and says so when it is lost. Runs a thread of its own.

Owns all that goes to Redis during an attempt: renewals, and the latest progress. The training loop has no part in it,
and a store that hangs does not delay it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

import structlog

from shared.errors import UnavailableError
from worker.supervision.lease import Lease

_log = structlog.get_logger(__name__)

#: Pause between two looks at what is due.
_TICK_S = 0.25
#: Renewals within one time to live: two may fail.
_RENEWALS_PER_TTL = 3


class LeaseKeeper:
    """Renews from `with` on to its end. `lost` is empty, or why the work must stop."""

    def __init__(self, lease: Lease, publish: Callable[[], None] | None = None) -> None:
        """`publish` is called every tick, for progress; it may raise UnavailableError."""
        self._lease = lease
        self._publish = publish
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
        self.lost = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread; the lease itself stays with its taker, who releases it."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        renewed_at = time.monotonic()
        next_renewal_at = renewed_at + self._lease.ttl_s / _RENEWALS_PER_TTL
        while not self.lost and not self._ending.wait(_TICK_S):
            started_at = time.monotonic()
            try:
                if started_at >= next_renewal_at:
                    if not self._lease.renew():
                        self.lost = "another worker holds the lease"
                        return
                    renewed_at = started_at
                    next_renewal_at = renewed_at + self._lease.ttl_s / _RENEWALS_PER_TTL
                if self._publish is not None:
                    self._publish()
            except UnavailableError as error:
                _log.warning("the lease cannot be renewed or progress not be told", reason=str(error))
            if time.monotonic() - renewed_at > self._lease.ttl_s:
                self.lost = f"the lease could not be renewed for {self._lease.ttl_s:g} s"
