"""The id of a call: the caller's `x-request-id`, or one made here. It stands in the log, in the answer, and with a job.

Lives in a context variable of the structured log, so every line that a call's code logs carries it; work that leaves
the event loop takes the context along.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import structlog

#: Key of the metadata, in both directions.
REQUEST_ID_KEY = "x-request-id"
#: Key of the log.
LOG_KEY = "x_request_id"
#: What may go into a log line and a header unchanged: an id, no text.
_ACCEPTABLE = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def request_id_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The caller's id if it is one; else a new one."""
    for key, value in metadata or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and _ACCEPTABLE.fullmatch(value):
            return value
    return f"{random.getrandbits(128):032x}"  # unique is enough: nobody trusts it


def bind_request_id(request_id: str) -> None:
    """For the rest of this task and what it starts."""
    structlog.contextvars.bind_contextvars(**{LOG_KEY: request_id})


def current_request_id() -> str:
    """That of the call that runs now; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get(LOG_KEY, ""))
