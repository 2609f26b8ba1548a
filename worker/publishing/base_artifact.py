"""The artifact of the base encoder without heads. Imports torch: only worker.publishing's own process loads this."""

from __future__ import annotations

from shared.base_model import load_base_model
from shared.model_files import build_model, encoder_id_of, model_files
from shared.probes import make_probes
from shared.store.artifacts import Manifest, write_artifact
from shared.store.folder import FolderStore
from shared.store.records import new_id
from shared.text import TextEncoder
from shared.version import code_version
from worker.publishing.base_publication import BASE_ID, MadeArtifact


def write_base_artifact(store: FolderStore, base_model: str) -> MadeArtifact:
    """
    Raises:
        BaseModelError: if the base model cannot be resolved, read or verified.
        StoreError: if the store cannot be written.
    """
    base = load_base_model(base_model)
    model = build_model(base, ())
    files = model_files(model, base)
    manifest = Manifest(
        artifact_id=f"{BASE_ID}-{new_id()}",
        files={},
        tasks=(),
        base_model=base.name,
        encoder_id=encoder_id_of(files),
        dimensions=model.hidden_size,
        max_tokens=base.max_tokens,
        code_version=code_version(),
        probes=make_probes(model, TextEncoder(files["tokenizer.json"], base.max_tokens)),
    )
    return MadeArtifact(artifact_id=manifest.artifact_id, manifest_sha256=write_artifact(store, manifest, files))
