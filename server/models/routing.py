"""Which of the loaded models answers a request. Pure, but for the draw of a request without a routing key."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from server.models.policy import STABLE
from server.models.snapshot import Snapshot

CANARY = "canary"
NAMED = "named"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says about the model that should answer it."""

    #: 0: it names none.
    version: int = 0
    alias: str = ""
    routing_key: str = ""
    #: Heads it needs; empty: all that the model has. None: it needs no head.
    tasks: Sequence[str] | None = None
    wants_embedding: bool = False
    expect_encoder_id: str = ""

    @property
    def is_named(self) -> bool:
        return bool(self.version or self.alias)


@dataclass(frozen=True, slots=True)
class Routes:
    """The models that answer now, role by role. Immutable: a swap is a new one."""

    #: The release that was followed last.
    release: int = 0
    stable: Snapshot | None = None
    #: The release that made `stable` so.
    stable_release: int = 0
    aliases: Mapping[str, Snapshot] = field(default_factory=dict)
    canary: Snapshot | None = None
    canary_share: float = 0.0

    def roles(self) -> dict[str, Snapshot]:
        """`stable`, `canary` and the aliases; what a caller may name."""
        named = {STABLE: self.stable, CANARY: self.canary, **self.aliases}
        return {role: snapshot for role, snapshot in named.items() if snapshot}

    def roles_of(self, version: int) -> list[str]:
        return [role for role, snapshot in self.roles().items() if snapshot.version == version]

    def snapshots(self) -> dict[int, Snapshot]:
        return {snapshot.version: snapshot for snapshot in self.roles().values()}


def named_snapshot(routes: Routes, wish: Wish) -> Snapshot | None:
    """The model that the wish names, if it is loaded."""
    return routes.snapshots().get(wish.version) if wish.version else routes.roles().get(wish.alias)


def unnamed_snapshot(
    routes: Routes, stable: Snapshot, wish: Wish, draw: Callable[[], float] = random.random
) -> tuple[Snapshot, str]:
    """Stable, or for its share of the traffic the canary, unless only one of the two can answer."""
    canary = routes.canary
    if canary is None or not _has_heads(canary, stable, wish):
        return stable, STABLE
    if wish.expect_encoder_id:
        expected = [item for item in (canary, stable) if item.manifest.encoder_id == wish.expect_encoder_id]
        if len(expected) < 2:
            return (canary, CANARY) if expected == [canary] else (stable, STABLE)
    elif wish.wants_embedding and not wish.routing_key and _encoder(canary) != _encoder(stable):
        # Drawn by chance, a caller's index would become a mixture of two encoders' vectors.
        return stable, STABLE
    point = position(wish.routing_key, canary.version) if wish.routing_key else draw()
    return (canary, CANARY) if point < routes.canary_share else (stable, STABLE)


def position(routing_key: str, version: int) -> float:
    """Where a key stands in [0, 1), the same on every server; another canary version is met by other keys."""
    digest = hashlib.blake2b(f"{version}:{routing_key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _encoder(snapshot: Snapshot) -> str:
    return snapshot.manifest.encoder_id


def _has_heads(canary: Snapshot, stable: Snapshot, wish: Wish) -> bool:
    """False if only stable has all that the request asks for; `all tasks` are those that stable has."""
    return wish.tasks is None or set(canary.task_names) >= set(wish.tasks or stable.task_names)
