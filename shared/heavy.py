"""How work that takes long is run: here, or wherever the caller has room for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Runner(Protocol):
    """Runs a call and returns or raises what it does. The call may be run twice, the second time to its end."""

    def __call__(self, call: Callable[[], T], /) -> T: ...


def call_here(call: Callable[[], T], /) -> T:
    """The plain way."""
    return call()
