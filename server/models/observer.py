"""What the models tell of themselves: the interface behind which metrics are counted. Called on the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ModelObserver(Protocol):
    """Implementations must be quick and must not raise."""

    def loaded(self, version: int, seconds: float) -> None:
        """A version was loaded, verified and warmed in so many seconds."""
        ...

    def refused(self, version: int, code: str) -> None:
        """A version was not loaded; `code` is that of the error, such as CORRUPT_ARTIFACT."""
        ...

    def serving(self, versions: Mapping[str, int]) -> None:
        """Which version answers each role (`stable`, `canary`, aliases) from now on."""
        ...

    def routed(self, version: int, route: str) -> None:
        """A request was given to a version, as `stable`, `canary` or `named`."""
        ...

    def answered(self, version: int, seconds: float) -> None:
        """A request's sentences were computed, so long after it had got its version."""
        ...

    def failed(self, version: int, code: str) -> None:
        """They were not; `code` is that of the error, such as DEADLINE_EXCEEDED."""
        ...


class SilentObserver:
    """Counts nothing."""

    def loaded(self, version: int, seconds: float) -> None:
        pass

    def refused(self, version: int, code: str) -> None:
        pass

    def serving(self, versions: Mapping[str, int]) -> None:
        pass

    def routed(self, version: int, route: str) -> None:
        pass

    def answered(self, version: int, seconds: float) -> None:
        pass

    def failed(self, version: int, code: str) -> None:
        pass
