"""From a published version to a served one: waits for the server.

Writes to stderr; what a caller should print as a result is returned.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from polyhead.cli.output import errors_out
from polyhead.client import Client
from polyhead.errors import DeadlineExceededError, UnavailableError
from polyhead.results import ServerInfo

#: A server looks for releases every half second, then loads, verifies and warms the new model.
SWITCH_S = 60.0
LOOK_EVERY_S = 0.2
#: Between two lines that say what is waited for.
SAY_EVERY_S = 5.0


class Outcome(Enum):
    """What became of a published version."""

    SERVED = "served"
    #: A newer version took over before, or while, this one was waited for.
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    #: Automatic releases wait: it is kept as a version, and a person promotes it.
    HELD = "held"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Switch:
    """The outcome, and a line that says it."""

    outcome: Outcome
    line: str


def await_served(
    client: Client, version: int, *, limit_s: float = SWITCH_S, check: Callable[[], None] = lambda: None
) -> Switch:
    """Wait until the server serves `version`, or never will. Survives a restart of the server.

    `check` is called before every look, to raise what makes waiting pointless.
    """
    started_s = said_s = time.monotonic()
    info: ServerInfo | None = None
    while True:
        check()
        try:
            info = client.server_info()
        except (UnavailableError, DeadlineExceededError):
            info = None  # it restarts, or is busy: what it says next counts
        if info is not None and (switch := _judge(info, version)) is not None:
            return switch
        now_s = time.monotonic()
        if now_s - started_s > limit_s:
            return Switch(Outcome.LATE, _late(info, version, limit_s))
        if said_s == started_s or now_s - said_s > SAY_EVERY_S:
            said_s = now_s
            errors_out.print(f"waiting until version {version} is served ({_now_serves(info)})")
        time.sleep(LOOK_EVERY_S)


def _judge(info: ServerInfo, version: int) -> Switch | None:
    serving = info.model.version if info.model else 0
    if serving == version:
        return Switch(Outcome.SERVED, f"version {version} is served")
    if info.routing and info.routing.hold:
        line = (
            f"version {version} is not served: somebody chose version {serving}, and automatic releases are on hold. "
            f"`polyhead models promote {version}` serves it"
        )
        return Switch(Outcome.HELD, line)
    if serving > version:
        line = f"version {version} is not served: version {serving}, which is newer, already took over"
        return Switch(Outcome.SUPERSEDED, line)
    for refused in info.refused:
        if refused.version == version:
            line = f"the server refused version {version} and {_now_serves(info)}: {refused.reason}"
            return Switch(Outcome.REFUSED, line)
    return None


def _late(info: ServerInfo | None, version: int, limit_s: float) -> str:
    trouble = f" ({info.trouble})" if info and info.trouble else ""
    return (
        f"version {version} is published, but not served after {limit_s:g} s: the server {_now_serves(info)}{trouble}. "
        "Its log says more; `polyhead info` shows what it serves"
    )


def _now_serves(info: ServerInfo | None) -> str:
    if info is None:
        return "does not answer"
    return f"still serves version {info.model.version}" if info.model else "serves no model yet"
