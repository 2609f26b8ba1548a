"""What encoder a job will start from, as far as the server can know it before a worker does, and what does not fit it.

Owns no weights: a config.json is enough. Where nothing is known nothing is refused for it; the worker looks again
before it trains. Blocking (reads small files) and thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from shared.base_model import DEFAULT_BASE_MODEL, local_config, local_window, num_layers_of
from shared.errors import PolyheadError, Violation
from shared.plan import describe_plan
from shared.shape import BaseShape, base_misfits
from shared.spec import BaseSpec, JobSpec, searched_misfits
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.versions import versions_log

log = structlog.get_logger(__name__)


class BaseShapes:
    """`base_model` is the setting; empty: what the newest version was trained from, else the packaged default."""

    def __init__(self, store: FolderStore, base_model: str) -> None:
        self._store = store
        self._versions = versions_log(store)
        self._name = base_model

    def violations_blocking(self, body: Mapping[str, Any]) -> list[Violation]:
        """What a spec, or a value that its search may try, asks in vain of its encoder. Skips what is malformed."""
        try:
            version = BaseSpec.model_validate(body.get("base") or {}).version
        except ValidationError:
            return []
        base = self._known(version)
        if base is None:
            return []
        single, together = base_misfits(body, base)
        return [*single, *together, *searched_misfits(body, lambda trial: base_misfits(trial, base))]

    def plan_blocking(self, spec: JobSpec) -> dict[str, Any] | None:
        """What `spec` comes to (shared.plan.describe_plan); None where its encoder is not known."""
        base = self._known(spec.base.version)
        return describe_plan(spec, base.name, base.layers) if base else None

    def _known(self, version: int) -> BaseShape | None:
        if version:
            return self._of_version(version)
        if self._name:
            return _local(self._name) or self._of_version(0, self._name)
        return self._of_version(0) or _local(DEFAULT_BASE_MODEL)

    def _of_version(self, version: int, name: str = "") -> BaseShape | None:
        """The encoder of a version (0: the newest), if it is the one called `name`."""
        try:
            entries = self._versions.entries()
            if not 0 < (version or len(entries)) <= len(entries):
                return None
            record = entries[version - 1]
            artifact = ArtifactReader(self._store, record.artifact_id, record.manifest_sha256)
            if name not in ("", artifact.manifest.base_model):
                return None
            layers = num_layers_of(artifact.read_json("config.json"))
            return BaseShape(artifact.manifest.base_model, layers, artifact.manifest.max_tokens) if layers else None
        except PolyheadError as error:
            log.warning("specs are not checked against the base model", reason=str(error))
            return None


def _local(name: str) -> BaseShape | None:
    config = local_config(name)
    layers = num_layers_of(config) if config else None
    return BaseShape(name, layers, local_window(name)) if layers is not None else None
