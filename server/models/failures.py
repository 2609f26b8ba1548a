"""Versions that could not be loaded: why, and when each is tried again. Lives on the event loop.

A refusal is the model's fault and stands until a newer release names the version again, or, for a version that the
newest release names, some minutes have passed. A passing failure is the machine's or the store's and is tried again
within seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch

from server.models.policy import Candidate
from shared.errors import CorruptArtifactError, PolyheadError, SchemaVersionError, StoreError

#: Loading costs a second of compute that requests would miss.
PASSING_RETRY_S = 5.0
#: Somebody may have put the artifact's files right, say from a backup.
REFUSED_RETRY_S = 300.0
#: Characters: enough for a cause, and for a list of a thousand refusals in one message.
MAX_REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """One version that was not loaded."""

    version: int
    #: The newest release that named it then.
    release: int
    reason: str
    #: Machine-readable, for metrics: the error's code.
    code: str
    is_passing: bool

    @classmethod
    def of(cls, error: Exception, candidate: Candidate) -> Failure:
        if isinstance(error, PolyheadError):
            reason, code = str(error), error.code
        else:
            reason, code = f"it cannot be loaded or run: {type(error).__name__}: {error}", "LOAD_FAILED"
        return cls(candidate.version, candidate.release, shortened(reason), code, _is_passing(error))


def shortened(reason: str) -> str:
    """One line of bounded length: torch lists every tensor that does not fit."""
    line = " ".join(reason.split())
    return line if len(line) <= MAX_REASON_LENGTH else f"{line[:MAX_REASON_LENGTH]} ..."


def _is_passing(error: Exception) -> bool:
    if isinstance(error, StoreError):
        return not isinstance(error, CorruptArtifactError | SchemaVersionError)
    if isinstance(error, MemoryError | OSError | torch.OutOfMemoryError):
        return True
    # torch says both of memory and of a device that is lost with a plain RuntimeError.
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in ("memory", "cuda"))


class Failures:
    """The failures that still stand, by version."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_version: dict[int, tuple[Failure, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_version)

    def get(self, version: int) -> Failure | None:
        found = self._by_version.get(version)
        return found[0] if found else None

    def all(self) -> list[Failure]:
        return [failure for failure, _ in self._by_version.values()]

    @property
    def passing_reason(self) -> str:
        """Why a version waits to be tried again; empty: none does."""
        return "; ".join(f"version {item.version}: {item.reason}" for item in self.all() if item.is_passing)

    def blocks(self, candidate: Candidate, newest_release: int) -> bool:
        """It is not to be tried now."""
        if candidate.version not in self._by_version:
            return False
        failure, until_s = self._by_version[candidate.version]
        if candidate.release > failure.release:
            return False
        is_due = self._clock() >= until_s
        # A refused version of an older release would only be a fallback: that is not worth a load every few minutes.
        return not (is_due and (failure.is_passing or candidate.release == newest_release))

    def is_news(self, failure: Failure) -> bool:
        """It failed for another reason before, or not at all."""
        before = self.get(failure.version)
        return before is None or before.reason != failure.reason

    def add(self, failure: Failure) -> None:
        pause_s = PASSING_RETRY_S if failure.is_passing else REFUSED_RETRY_S
        self._by_version[failure.version] = failure, self._clock() + pause_s

    def forget(self, version: int) -> None:
        self._by_version.pop(version, None)

    def keep(self, versions: Collection[int]) -> None:
        """Forget those of all other versions."""
        self._by_version = {version: item for version, item in self._by_version.items() if version in versions}
