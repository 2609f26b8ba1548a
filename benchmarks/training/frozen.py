"""Ten epochs on a frozen backbone: vectors computed once, against every step computing them anew."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import Figure
from benchmarks.training.ours import Trained, train
from benchmarks.training.rows import read, recipe
from shared.model_files import load_model
from shared.store.artifacts import ArtifactReader
from shared.store.folder import open_store
from tests.golden import alone

EPOCHS = 10
#: Rows whose scores are compared.
NUM_COMPARED = 100
TOLERANCE = 1e-5


def frozen(root: Path, threads: int, pairs: int) -> list[Figure]:
    """Seconds of encoding and training; the predictions of both must be the same."""
    cached_s, naive_s, difference = [], [], 0.0
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder)
            once = train(_recipe(None), root, threads, store)
            anew = train(_recipe(0), root, threads, store)
            cached_s.append(_seconds(once))
            naive_s.append(_seconds(anew))
            difference = max(difference, _difference(store, once, anew, read(root, "selection")[0][:NUM_COMPARED]))
    if difference > TOLERANCE:
        raise RuntimeError(f"scores differ by {difference:.1e}, more than {TOLERANCE:.0e}")
    ratio = statistics.median(naive / cached for naive, cached in zip(naive_s, cached_s, strict=True))
    against = f"every step anew, {statistics.median(naive_s):.1f} s; scores differ by at most {difference:.1e}"
    return [Figure("frozen-ten-epochs", statistics.median(cached_s), "s for ten epochs", against, ratio)]


def _recipe(cache_mib: int | None) -> dict[str, object]:
    body = recipe(EPOCHS, freeze={"policy": "backbone"})
    body["optimizer"] = {"head_lr": 1.0e-2, "epochs": EPOCHS, "seed": 13, "precision": "float32"}
    return body if cache_mib is None else body | {"cache": {"mib": cache_mib}}


def _seconds(trained: Trained) -> float:
    seconds = trained.report["seconds"]
    return float(seconds["training"] + seconds.get("encoding", 0.0))


def _difference(store: Path, first: Trained, second: Trained, texts: list[str]) -> float:
    scores = []
    for trained in (first, second):
        reader = ArtifactReader(open_store(str(store)), trained.artifact_id, trained.manifest_sha256)
        model = load_model(reader)
        model.model.eval()
        with torch.inference_mode():
            scores.append(np.asarray([alone(model, text)[1][0] for text in texts]))
    return float(np.abs(scores[0] - scores[1]).max())
