"""The version that a job continues from: its encoder, its heads, and the texts it was trained on.

Owns what is taken over and in which form (docs/decisions/0017). Weights are copied bit by bit: with a frozen encoder
the tasks that the job does not train answer exactly as they did, and the encoder_id stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from shared.base_model import TOKENIZER_FILES, BaseModel
from shared.continuing import carried_tasks, is_continued, open_parent, require_fit
from shared.model import MultiTaskModel
from shared.model_files import LoadedModel, load_model
from shared.spec import JobSpec
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from worker.data.known import Hashes, add_texts
from worker.data.ledger import TaskData

#: In an artifact: by task, 64-bit hashes of the texts that it and the versions before it were trained on.
KNOWN_FILE = "known_rows.safetensors"


@dataclass(frozen=True)
class Parent:
    """A version, opened for a job. Weights are read anew for each model that starts from it."""

    version: int
    artifact: ArtifactReader
    known: Mapping[str, Hashes]

    def load(self) -> LoadedModel:
        """
        Raises:
            CorruptArtifactError: if files, hashes or shapes are not what the manifest says.
        """
        return load_model(self.artifact)

    def base_model(self, loaded: LoadedModel) -> BaseModel:
        """Its encoder as a base model, ready to be trained."""
        manifest = self.artifact.manifest
        loaded.model.encoder.requires_grad_(True)
        return BaseModel(
            name=manifest.base_model,
            encoder=loaded.model.encoder,
            config=self.artifact.read_json("config.json"),
            tokenizer_files={name: self.artifact.read(name) for name in TOKENIZER_FILES if name in manifest.files},
            max_tokens=manifest.max_tokens,
        )

    def continued(self, spec: JobSpec) -> list[str]:
        """Tasks of the job whose heads start from this version's."""
        return [task.name for task in spec.tasks if is_continued(task, self.artifact.manifest.tasks)]

    def start_heads(self, model: MultiTaskModel, loaded: LoadedModel, spec: JobSpec) -> None:
        """Copy the heads of the continued tasks into `model`."""
        for name in self.continued(spec):
            model.head(name).load_state_dict(loaded.model.head(name).state_dict())

    def with_carried(self, model: MultiTaskModel, spec: JobSpec) -> MultiTaskModel:
        """`model` and the carried tasks, in this version's order; tasks that are new come last. Shares the modules."""
        carried = {entry.name for entry in carried_tasks(spec, self.artifact.manifest.tasks)}
        loaded = self.load().model
        heads = {task.name: (task, loaded.head(task.name)) for task in loaded.tasks if task.name in carried}
        heads |= {task.name: (task, head) for task, head in zip(model.tasks, model.heads, strict=True)}
        first = [entry.name for entry in self.artifact.manifest.tasks if entry.name in heads]
        ordered = [heads[name] for name in dict.fromkeys((*first, *heads))]
        whole = MultiTaskModel(model.encoder, model.hidden_size, model.pad_token_id, [task for task, _ in ordered])
        device = next(model.encoder.parameters()).device
        for own, (_, head) in zip(whole.heads, ordered, strict=True):
            own.load_state_dict(head.state_dict())
        return whole.to(device).eval()

    def with_records(self, kept: Mapping[str, Any], own: Mapping[str, Any], spec: JobSpec) -> dict[str, Any]:
        """`own`, and what `kept` (metrics or data of this version) says of the carried tasks: it is still true."""
        names = [entry.name for entry in carried_tasks(spec, self.artifact.manifest.tasks)]
        return {**{name: kept[name] for name in names if name in kept}, **own}

    def describe(self, spec: JobSpec) -> dict[str, Any]:
        """What was taken over, for the report."""
        entries = self.artifact.manifest.tasks
        replaced = [task.name for task in spec.tasks if task.name in {entry.name for entry in entries}]
        continued = self.continued(spec)
        return {
            "version": self.version,
            "continued": continued,
            "carried": [entry.name for entry in carried_tasks(spec, entries)],
            "trained_anew": [name for name in replaced if name not in continued],
        }


def load_parent(store: FolderStore, spec: JobSpec) -> Parent | None:
    """The version that `spec` continues from; None: the worker's base model.

    Raises:
        InvalidInputError: if there is no such version, or the spec asks for what it cannot give.
    """
    if not spec.base.version:
        return None
    artifact = open_parent(store, spec.base.version)
    require_fit(spec, artifact.manifest.tasks)
    # Versions that an older code made, and the base encoder, say nothing of their rows.
    return Parent(spec.base.version, artifact, known_rows(artifact) or {})


def known_rows(artifact: ArtifactReader) -> Mapping[str, Hashes] | None:
    """The texts that it and the versions before it were trained on, by task; None if it does not tell."""
    if KNOWN_FILE not in artifact.manifest.files:
        return None
    known: dict[str, Hashes] = load(artifact.read(KNOWN_FILE))
    return known


def known_rows_file(parent: Parent | None, names: Sequence[str], data: Sequence[TaskData]) -> bytes:
    """The texts that the new model knows: those of its parent, and the training rows of this job."""
    texts = {name: own.train.texts for name, own in zip(names, data, strict=True)}
    known = add_texts(parent.known if parent else {}, texts)
    body: bytes = save({name: np.ascontiguousarray(hashes) for name, hashes in known.items()})
    return body
