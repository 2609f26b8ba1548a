"""A loaded model, as one request sees it: acquired before tokenizing, released when the answer is built."""

from __future__ import annotations

from dataclasses import dataclass

from server.engines.engine import Columns, Engine
from shared.store.artifacts import Manifest
from shared.text import TextEncoder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable. All that an answer needs comes from one snapshot, so no answer mixes two versions."""

    version: int
    manifest: Manifest
    text: TextEncoder
    engine: Engine
    columns: Columns

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.manifest.tasks)
