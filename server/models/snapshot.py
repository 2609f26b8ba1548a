"""A loaded model, as one request sees it: acquired before tokenizing, released when the answer is built.

Nothing counts references: a snapshot is immutable, and its model is freed with the last request that holds one.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.engines.engine import Columns, Engine
from shared.store.artifacts import Manifest
from shared.text import TextEncoder


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ServableModel:
    """One artifact in memory, proven and warm. Several versions of the same artifact share it."""

    manifest: Manifest
    text: TextEncoder
    engine: Engine
    columns: Columns


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable. All that an answer needs comes from one snapshot, so no answer mixes two versions."""

    version: int
    model: ServableModel

    @property
    def manifest(self) -> Manifest:
        return self.model.manifest

    @property
    def text(self) -> TextEncoder:
        return self.model.text

    @property
    def engine(self) -> Engine:
        return self.model.engine

    @property
    def columns(self) -> Columns:
        return self.model.columns

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.manifest.tasks)
