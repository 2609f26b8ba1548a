"""Routing tables: which version answers whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Canary:
    """A version that answers a share of the traffic, 0 to 1."""

    version: int
    share: float


@dataclass(frozen=True, slots=True)
class Release:
    """One routing table, and how it came about."""

    number: int
    #: Answers requests that name nothing.
    stable: int
    aliases: Mapping[str, int]
    canary: Canary | None
    #: Automatic releases wait for a promotion with `resume_automatic`.
    hold: bool
    why: str
    by: str
    #: The change as asked for, such as `promote 3`; empty for a release that a job led to.
    change: str
    job_id: str
    request_id: str
    verdict: str
    #: The release that its candidate was judged against; 0: none.
    judged_against: int
    created_at: datetime | None
    #: The version that it marks as deleted; 0: none.
    deleted: int
