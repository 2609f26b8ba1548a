"""From a version record to a snapshot that is proven to work: hashes, shapes, labels, probe outputs, warm-up.

Blocking and slow (a second or so): it runs in one thread of its own, at the priority of the rest (docs/decisions/0012).
Raises instead of returning anything doubtful. Models that are still in memory are shared, not loaded twice.
"""

from __future__ import annotations

import weakref

import numpy as np
import structlog
import torch

from server.engines.engine import Columns, Engine
from server.engines.torch_engine import TorchEngine
from server.models.snapshot import ServableModel, Snapshot
from shared.model_files import load_model
from shared.probes import check_probes
from shared.store.artifacts import ArtifactReader, Manifest
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord
from shared.text import TextEncoder

log = structlog.get_logger(__name__)

#: Batch shapes run once before a model serves, so that the first callers do not pay for kernel selection; the model's
#: window is run too, since a window wider than the positions would fail only there.
WARM_UP_LENGTHS = (8, 32, 128)


class Loader:
    """Loads versions for one device and precision. Used by one thread."""

    def __init__(self, store: FolderStore, device: torch.device, precision: str) -> None:
        self._store = store
        self._device = device
        self._precision = precision
        self._in_memory: weakref.WeakValueDictionary[tuple[str, str], ServableModel] = weakref.WeakValueDictionary()

    def load_blocking(self, version: int, record: VersionRecord) -> Snapshot:
        """
        Raises:
            CorruptArtifactError: if anything about the artifact is not what its manifest says.
            SchemaVersionError: if a newer code wrote it.
            StoreError: if it cannot be read.
        """
        artifact = ArtifactReader(self._store, record.artifact_id, record.manifest_sha256)
        key = record.artifact_id, record.manifest_sha256
        model = self._in_memory.get(key)
        if model is None:
            model = self._in_memory[key] = self._load(artifact)
            freed = weakref.finalize(model, log.info, "model freed", version=version, artifact_id=record.artifact_id)
            freed.atexit = False
            log.info("model loaded", version=version, artifact_id=record.artifact_id, engine=model.engine.name)
        artifact.verify_unread()
        return Snapshot(version, model)

    def _load(self, artifact: ArtifactReader) -> ServableModel:
        torch.set_num_threads(1)
        loaded = load_model(artifact)
        manifest = artifact.manifest
        columns = Columns.of(manifest.tasks)
        engine = TorchEngine(loaded.model, self._device, self._precision)
        _check(engine, loaded.text, manifest, columns)
        _warm_up(engine, loaded.text)
        return ServableModel(manifest, loaded.text, engine, columns)


def _check(engine: Engine, text: TextEncoder, manifest: Manifest, columns: Columns) -> None:
    probes = manifest.probes
    rows = [item.ids for item in text.encode_blocking(probes.sentences)]
    output = engine.run_blocking(rows)
    embeddings_BH = output.pooled_BH / np.linalg.norm(output.pooled_BH, axis=1, keepdims=True)
    scores = {
        task.name: output.scores_BC[:, start : start + len(task.labels)]
        for task, start in zip(manifest.tasks, columns.starts, strict=True)
    }
    check_probes(probes, manifest.tasks, engine.name, embeddings_BH, scores)


def _warm_up(engine: Engine, text: TextEncoder) -> None:
    token = text.encode_blocking(["warm"])[0].ids[0]
    for length in WARM_UP_LENGTHS:
        engine.run_blocking([[token] * min(length, text.max_tokens)] * 4)
    engine.run_blocking([[token] * text.max_tokens])
