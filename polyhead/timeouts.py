"""Timeouts as callers give them -> what gRPC takes. Pure functions; both clients share them."""

from __future__ import annotations

import math

from polyhead.errors import InvalidArgumentError

#: gRPC counts deadlines in nanoseconds since 1970 as int64, which ends in 2262; it takes a later one for one long ago.
MAX_TIMEOUT_S = 1e9


def check_timeout(timeout_s: object, field: str = "timeout_s") -> float:
    """`timeout_s` as it is; inf stands for no deadline.

    Raises:
        InvalidArgumentError: if it is no number of seconds above 0, or more than MAX_TIMEOUT_S and not inf.
    """
    is_number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    # NaN compares as false, so that it is refused too.
    if not is_number or not (0 < timeout_s <= MAX_TIMEOUT_S or timeout_s == math.inf):  # type: ignore[operator]
        raise InvalidArgumentError(
            f"{field} must be a number of seconds above 0 and at most {MAX_TIMEOUT_S:.0f}, or inf for no deadline "
            f"(got {timeout_s!a})",
            "INVALID_ARGUMENT",
        )
    return float(timeout_s)  # type: ignore[arg-type]


def check_optional_timeout(timeout_s: object) -> float | None:
    """As `check_timeout`; None stays None."""
    return None if timeout_s is None else check_timeout(timeout_s)


def grpc_timeout(timeout_s: float | None) -> float | None:
    """gRPC knows no inf: None is no deadline."""
    return None if timeout_s == math.inf else timeout_s
