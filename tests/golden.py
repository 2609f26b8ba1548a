"""What a published version answers, from a plain forward pass of its artifact, one sentence at a time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from shared.model import collate
from shared.model_files import LoadedModel, load_model
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.versions import versions_log


def loaded(store: FolderStore, version: int) -> LoadedModel:
    """The model of a version, read and verified as a server would."""
    record = versions_log(store).entries()[version - 1]
    return load_model(ArtifactReader(store, record.artifact_id, record.manifest_sha256))


def alone(model: LoadedModel, sentence: str) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """What the sentence gets by itself: the normalised embedding, and the scores of each task."""
    with torch.inference_mode():
        rows = [model.text.encode_blocking([sentence])[0].ids]
        pooled_BH, logits = model.model(*collate(rows, model.model.pad_token_id, torch.device("cpu")))
        embedding = torch.nn.functional.normalize(pooled_BH, dim=-1)[0].numpy()
        scores = [task.scores(part[0]).numpy() for part, task in zip(logits, model.model.tasks, strict=True)]
    return embedding, scores
