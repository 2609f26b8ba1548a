"""When a failed call is tried again: the rules, for both clients. Pure but for the clock and the dice, which tests set.

Tried again is what a server said to try again (RetryInfo), UNAVAILABLE, and what a server that ends cut off, within
the call's own deadline. Whether a call may be repeated at all, and the sleeping, is the connections'.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from polyhead.errors import (
    CallCancelledError,
    CallError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)

#: With the pauses below about a second in all where the server names none: time for a blink, not for a restart.
DEFAULT_RETRIES = 3
#: The first pause, at most; each further one is twice as long.
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class Tries:
    """The tries of one call, from its first to its deadline."""

    def __init__(
        self,
        retries: int,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`retries`: how many may follow the first try. `draw` gives a number from 0 to 1."""
        self._left = retries
        self._clock = clock
        self._draw = draw
        self._pause_s = FIRST_PAUSE_S
        self.started_s = clock()
        self._deadline_s = self.started_s + timeout_s

    def left_s(self) -> float:
        """Seconds to the call's deadline: what the next try may take."""
        return max(0.0, self._deadline_s - self._clock())

    def pause_s(self, error: CallError) -> float | None:
        """How long to wait before the next try; None: `error` is the call's.

        Half of each pause is drawn, so that clients refused together do not come back together; what RetryInfo asked
        for comes before it, so that nobody comes sooner.
        """
        if not self._left or not is_worth_another(error):
            return None
        pause_s = (error.retry_after_s or 0.0) + self._pause_s * (1 + self._draw()) / 2
        if pause_s >= self.left_s():
            return None
        self._left -= 1
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s


def is_worth_another(error: CallError) -> bool:
    """Whether the same call may succeed later. A message over a limit is RESOURCE_EXHAUSTED too, without RetryInfo.

    A caller's own cancellation never comes here: CANCELLED is said of a call that met a server at its very end.
    """
    if isinstance(error, ResourceExhaustedError):
        return error.retry_after_s is not None
    return isinstance(error, UnavailableError | CallCancelledError)


def check_retries(retries: object) -> int:
    """
    Raises:
        InvalidArgumentError: if it is no whole number from 0.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise InvalidArgumentError(f"retries must be a whole number from 0 (got {retries!a})", "INVALID_ARGUMENT")
    return retries
