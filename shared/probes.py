"""Probe sentences: a model's outputs when it was saved, run again by whoever is about to serve it.

Owns which sentences and which tolerance. Engines differ (float32 sums in another order, bfloat16 rounds), so each has
a tolerance of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import CorruptArtifactError
from shared.model import MultiTaskModel, collate
from shared.store.artifacts import Probes, TaskEntry
from shared.text import TextEncoder

SENTENCES = (
    "ok",
    "The delivery came two days early and everything works.",
    "I would not wish this customer service on anybody.",
    "They moved the meeting to Thursday at half past nine, room 4.",
    "naïve café, 東京 and 🙂 in one line: does the tokenizer still agree?",
    "A longer sentence " + "with more and more words " * 12 + "so that lengths differ within one batch.",
)
#: Largest absolute difference of normalised embeddings and of scores. float32: another order of sums on another CPU;
#: bfloat16: 8 bits of mantissa (measured 0.021 on an AMX machine, 2026-11).
TOLERANCES = {"torch-float32": 1e-4, "torch-bfloat16": 0.03}


def make_probes(model: MultiTaskModel, text: TextEncoder) -> Probes:
    """Run the probe sentences through `model` (put into eval mode), in float32 on its device."""
    model.eval()
    device = next(model.parameters()).device
    rows = [item.ids for item in text.encode_blocking(SENTENCES)]
    with torch.inference_mode():
        pooled_BH, logits = model(*collate(rows, model.pad_token_id, device))
        embeddings_BH = torch.nn.functional.normalize(pooled_BH, dim=-1)
        scores = {task.name: task.scores(logits_BC) for task, logits_BC in zip(model.tasks, logits, strict=True)}
    return Probes(
        sentences=SENTENCES,
        labels={task.name: task.labels for task in model.tasks},
        embeddings=embeddings_BH.tolist(),
        scores={name: scores_BC.tolist() for name, scores_BC in scores.items()},
        tolerances=TOLERANCES,
    )


def check_probes(
    probes: Probes,
    tasks: tuple[TaskEntry, ...],
    engine: str,
    embeddings_BH: NDArray[np.float32],
    scores: dict[str, NDArray[np.float32]],
) -> None:
    """Compare an engine's outputs for the probe sentences with the recorded ones.

    Raises:
        CorruptArtifactError: if any differs by more than the engine's tolerance, is not finite, or has another shape.
    """
    tolerance = probes.tolerances.get(engine)
    if tolerance is None:
        raise CorruptArtifactError(f"the manifest has no probe tolerance for engine {engine}")
    if set(probes.scores) != {task.name for task in tasks}:
        raise CorruptArtifactError(f"probes cover tasks {sorted(probes.scores)}, not those of the manifest")
    for task in tasks:
        if (recorded_labels := probes.labels.get(task.name)) != task.labels:
            raise CorruptArtifactError(
                f"task {task.name} has labels {list(task.labels)}, its probes {list(recorded_labels or ())}"
            )
    pairs = [("embedding", probes.embeddings, embeddings_BH)]
    pairs += [(f"task {name}", probes.scores[name], scores[name]) for name in probes.scores]
    for what, expected, actual in pairs:
        recorded = np.asarray(expected, dtype=np.float32)
        if recorded.shape != actual.shape:
            raise CorruptArtifactError(f"probe {what}: shape {actual.shape}, recorded {recorded.shape}")
        difference = float(np.abs(recorded - actual).max(initial=0.0))
        if not difference <= tolerance:
            raise CorruptArtifactError(f"probe {what} differs by {difference:.2g}; {engine} may by {tolerance:g}")
