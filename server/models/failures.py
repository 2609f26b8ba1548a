"""Versions that could not be loaded: why, and when each is tried again. Lives on the event loop.

A refusal is the model's fault and stands until a new release comes or some minutes have passed; a passing failure is
the machine's or the store's and is tried again within seconds.
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


@dataclass(frozen=True, slots=True)
class Failure:
    """One version that was not loaded."""

    version: int
    #: The release that names it.
    release: int
    #: The newest release at that time.
    newest_release: int
    reason: str
    #: Machine-readable, for metrics: the error's code.
    code: str
    is_passing: bool

    @classmethod
    def of(cls, error: Exception, candidate: Candidate, newest_release: int) -> Failure:
        if isinstance(error, PolyheadError):
            reason, code = str(error), error.code
        else:
            reason, code = f"it cannot be loaded or run: {type(error).__name__}: {error}", "LOAD_FAILED"
        return cls(candidate.version, candidate.release, newest_release, reason, code, _is_passing(error))


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

    def unloadable(self, newest_release: int) -> set[int]:
        """Versions that are not to be tried now."""
        now_s = self._clock()
        return {
            version
            for version, (failure, until_s) in self._by_version.items()
            if now_s < until_s and failure.newest_release == newest_release
        }

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
