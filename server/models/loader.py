"""From a version record to a snapshot that is proven to work: hashes, shapes, probe outputs, warm-up.

Blocking and slow (a second or so): run it off the event loop. Raises instead of returning anything doubtful.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import structlog
import torch

from server.engines.engine import Columns, Engine
from server.engines.torch_engine import TorchEngine
from server.models.snapshot import Snapshot
from shared.model_files import load_model
from shared.probes import check_probes
from shared.store.artifacts import ArtifactReader, Manifest
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord
from shared.text import TextEncoder

log = structlog.get_logger(__name__)

#: Batch shapes run once before a model serves, so that the first callers do not pay for kernel selection.
WARM_UP_LENGTHS = (8, 32, 128)


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads versions for one device and precision."""

    store: FolderStore
    device: torch.device
    precision: str

    def load_blocking(self, version: int, record: VersionRecord) -> Snapshot:
        """
        Raises:
            CorruptArtifactError: if anything about the artifact is not what its manifest says.
            StoreError: if it cannot be read.
        """
        torch.set_num_threads(1)
        artifact = ArtifactReader(self.store, record.artifact_id, record.manifest_sha256)
        loaded = load_model(artifact)
        engine = TorchEngine(loaded.model, self.device, self.precision)
        manifest = artifact.manifest
        columns = Columns.of([len(task.labels) for task in manifest.tasks])
        _check(engine, loaded.text, manifest, columns)
        _warm_up(engine, loaded.text)
        log.info("model loaded", version=version, artifact_id=manifest.artifact_id, engine=engine.name)
        return Snapshot(version, manifest, loaded.text, engine, columns)


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
