"""From a version record to a snapshot that is proven to work: hashes, shapes, labels, probe outputs, warm-up.

Blocking and slow (half a second or so): it runs in one thread of its own, whose heavy parts run at low priority.
Raises instead of returning anything doubtful. Models that are still in memory are shared, not loaded twice; so are
tokenizers, which most versions have in common, since reading one holds the interpreter's lock for 20 ms.
"""

from __future__ import annotations

import contextvars
import weakref
from functools import partial

import numpy as np
import structlog
import torch

from server.engines.engine import Columns, Engine
from server.engines.torch_engine import TorchEngine
from server.models.idle_thread import IdleThread
from server.models.snapshot import ServableModel, Snapshot
from shared.heavy import Runner, call_here
from shared.model_files import load_model
from shared.probes import check_probes
from shared.store.artifacts import ArtifactReader, Manifest, sha256
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord
from shared.text import TextEncoder

log = structlog.get_logger(__name__)

#: Batch shapes run once before a model serves, so that the first callers do not pay for kernel selection; the model's
#: window is run too, since a window wider than the positions would fail only there.
WARM_UP_LENGTHS = (8, 32)


class Loader:
    """Loads versions for one device and precision. Used by one thread."""

    def __init__(
        self, store: FolderStore, device: torch.device, precision: str, idle: IdleThread | None = None
    ) -> None:
        """Heavy parts run in the idle thread if one is given."""
        self._store = store
        self._device = device
        self._precision = precision
        self._idle = idle
        self._in_memory: weakref.WeakValueDictionary[tuple[str, str], ServableModel] = weakref.WeakValueDictionary()
        self._texts: weakref.WeakValueDictionary[tuple[str, int], TextEncoder] = weakref.WeakValueDictionary()

    def load_blocking(self, version: int, record: VersionRecord, is_urgent: bool = False) -> Snapshot:
        """`is_urgent`: not at low priority.

        Raises:
            CorruptArtifactError: if anything about the artifact is not what its manifest says.
            SchemaVersionError: if a newer code wrote it.
            StoreError: if it cannot be read.
        """
        artifact = ArtifactReader(self._store, record.artifact_id, record.manifest_sha256)
        key = record.artifact_id, record.manifest_sha256
        model = self._in_memory.get(key)
        if model is None:
            model = self._in_memory[key] = self._load(artifact, None if is_urgent else self._idle)
            told = partial(log.info, "model freed", version=version, artifact_id=record.artifact_id)
            # In a context of its own: whichever request held the model last has nothing to do with it.
            freed = weakref.finalize(model, contextvars.Context().run, told)
            freed.atexit = False
            log.info("model loaded", version=version, artifact_id=record.artifact_id, engine=model.engine.name)
        artifact.verify_unread()
        return Snapshot(version, model)

    def _load(self, artifact: ArtifactReader, idle: IdleThread | None) -> ServableModel:
        torch.set_num_threads(1)
        run_heavy: Runner = call_here
        if idle is not None:
            idle.start()
            run_heavy = idle.run
        loaded = load_model(artifact, self._text, run_heavy)
        manifest = artifact.manifest
        columns = Columns.of(manifest.tasks)
        engine = TorchEngine(loaded.model, self._device, self._precision)
        if not engine.is_one_call:
            # Op by op it asks for the interpreter's lock all the time, which a thread without a core would keep.
            run_heavy = call_here
        _check(engine, loaded.text, manifest, columns, run_heavy)
        _warm_up(engine, loaded.text, run_heavy)
        return ServableModel(manifest, loaded.text, engine, columns)

    def _text(self, tokenizer_json: bytes, max_tokens: int) -> TextEncoder:
        key = sha256(tokenizer_json), max_tokens
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = TextEncoder(tokenizer_json, max_tokens)
        return text


def _check(engine: Engine, text: TextEncoder, manifest: Manifest, columns: Columns, run_heavy: Runner) -> None:
    probes = manifest.probes
    rows = [item.ids for item in text.encode_blocking(probes.sentences)]
    output = run_heavy(lambda: engine.run_blocking(rows))
    embeddings_BH = output.pooled_BH / np.linalg.norm(output.pooled_BH, axis=1, keepdims=True)
    scores = {
        task.name: output.scores_BC[:, start : start + len(task.labels)]
        for task, start in zip(manifest.tasks, columns.starts, strict=True)
    }
    check_probes(probes, manifest.tasks, engine.name, embeddings_BH, scores)


def _warm_up(engine: Engine, text: TextEncoder, run_heavy: Runner) -> None:
    token = text.encode_blocking(["warm"])[0].ids[0]
    for length in (*WARM_UP_LENGTHS, text.max_tokens):
        rows = [[token] * min(length, text.max_tokens)]
        run_heavy(partial(engine.run_blocking, rows))
