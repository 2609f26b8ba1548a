"""From a trained model to an artifact in the store: files, probes, manifest.

Owns what is recorded of a training. Publishing, that is a version and a release, is worker.publishing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.base_model import BaseModel
from shared.model import MultiTaskModel
from shared.model_files import encoder_id_of, model_files, task_entries
from shared.probes import make_probes
from shared.spec import JobSpec
from shared.store.artifacts import Manifest, write_artifact
from shared.store.folder import FolderStore
from shared.store.records import new_id
from shared.text import TextEncoder
from shared.version import code_version
from worker.data.ledger import TaskData
from worker.gate.verdict import Verdict
from worker.training.model_card import model_card


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model as it is published, and what it came from."""

    model: MultiTaskModel
    base: BaseModel
    spec: JobSpec
    lineage: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SavedArtifact:
    artifact_id: str
    manifest_sha256: str


def save_artifact(
    store: FolderStore,
    attempt: str,
    trained: TrainedModel,
    data: dict[str, Any],
    metrics: dict[str, Any],
    verdict: Verdict,
    extra_files: Mapping[str, bytes],
) -> SavedArtifact:
    """Write the artifact of `attempt` (job id and claim), under an id that no other attempt has.

    `data` and `metrics` are by task; of tasks that were carried over they say what the parent's manifest said.
    `extra_files` are those that are no part of the model: known rows, report page.

    Raises:
        StoreError: if the store cannot be written.
    """
    model, base, spec = trained.model, trained.base, trained.spec
    files = model_files(model, base) | dict(extra_files)
    files["MODEL_CARD.md"] = model_card(model, base.name, spec, data, metrics, verdict).encode()
    manifest = Manifest(
        artifact_id=f"{attempt}-{new_id()}",
        files={},
        tasks=task_entries(model),
        base_model=base.name,
        encoder_id=encoder_id_of(files),
        dimensions=model.hidden_size,
        max_tokens=base.max_tokens,
        hyperparameters=spec.model_dump(mode="json"),
        data=data,
        metrics=metrics,
        parent_version=trained.lineage["parent_version"],
        lineage=trained.lineage,
        code_version=code_version(),
        probes=make_probes(model, TextEncoder(files["tokenizer.json"], base.max_tokens)),
    )
    return SavedArtifact(manifest.artifact_id, write_artifact(store, manifest, files))


def describe_data(names: Sequence[str], data: Sequence[TaskData]) -> dict[str, Any]:
    """For each task: rows of each part, rows dropped by reason, hash and encoding of each file.

    `known_held_out`, where there are any: held-out rows whose text trained the version that the job continues from.
    """
    return {
        name: {
            "rows": {"train": len(d.train), "validation": len(d.validation), "test": len(d.test)},
            "rows_read": d.num_read,
            "dropped": dict(d.dropped),
            "files": dict(d.files),
            "sha256": dict(d.sha256),
            "encodings": dict(d.encodings),
            **({"known_held_out": dict(d.known_held_out)} if any(d.known_held_out.values()) else {}),
        }
        for name, d in zip(names, data, strict=True)
    }
