"""Why a request that names a version or an alias cannot be answered, in words that help. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from server.models.failures import Failures
from server.models.policy import STABLE
from server.models.routing import CANARY, Routes, Wish
from shared.errors import FailedPreconditionError, NotFoundError, PolyheadError, UnavailableError
from shared.store.releases import ReleaseRecord

#: What a new store waits for.
HOW_TO_BEGIN = "a worker that starts publishes the base encoder, and a job a model"


class KnownModels(Protocol):
    """What the model manager knows."""

    releases: Sequence[ReleaseRecord]
    has_looked: bool
    num_versions: int
    failures: Failures
    routes: Routes

    @property
    def is_settled(self) -> bool: ...

    @property
    def trouble(self) -> str: ...


def missing_error(wish: Wish, models: KnownModels) -> PolyheadError:
    """The error for a wish that names what is not loaded."""
    table = models.releases[-1] if models.releases else None
    if table is None:
        return no_model_error(models)
    if wish.version:
        named = f"version {wish.version}"
        version: int | None = wish.version if wish.version in table.versions() else None
        if wish.version > models.num_versions:
            return NotFoundError(f"there is no {named}; the newest is {models.num_versions}")
    else:
        named = f"alias {wish.alias!r}"
        reserved = {STABLE: table.stable, CANARY: table.canary.version if table.canary else None}
        version = reserved.get(wish.alias, table.aliases.get(wish.alias))
    failure = models.failures.get(version) if version else None
    if failure:
        return FailedPreconditionError(
            f"{named} is not loaded: version {version} was refused: {failure.reason}; loaded are {_loaded(models)}"
        )
    if version:
        return UnavailableError(f"{named} is being loaded; try again in a moment")
    return FailedPreconditionError(f"{named} is not in the routing table; loaded are {_loaded(models)}")


def no_model_error(models: KnownModels) -> PolyheadError:
    """The error while there is no model that could answer."""
    if models.trouble:
        reason = models.trouble
    elif models.is_settled and models.failures:
        newest_first = sorted(models.failures.all(), key=lambda failure: failure.version, reverse=True)
        refused = "; ".join(f"version {failure.version} was refused: {failure.reason}" for failure in newest_first)
        return FailedPreconditionError(f"no model can be loaded: {refused}")
    elif models.releases:
        reason = f"release {len(models.releases)} is being loaded; try again in a moment"
    elif models.has_looked:
        reason = f"the store has no release; {HOW_TO_BEGIN}"
    else:
        reason = "the server is starting; try again in a moment"
    return UnavailableError(f"no model is loaded yet: {reason}")


def _loaded(models: KnownModels) -> str:
    routes = models.routes
    shown = (f"{version} ({', '.join(routes.roles_of(version))})" for version in sorted(routes.snapshots()))
    return ", ".join(shown) or "none yet"
