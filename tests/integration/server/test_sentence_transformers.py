"""Embed equals what sentence-transformers gives for the very artifact folder, on the real base model."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model
from shared.store.versions import versions_log
from tests.conftest import RunningServer
from tests.integration.server.waiting import until_serving
from tests.published import publish

CHUNK = 250


def stsb() -> list[tuple[float, str, str]]:
    """Score and the two sentences of each pair of the STS benchmark's development part."""
    path = Path(os.environ["DATA_MIRROR"]) / "stsb" / "sts-dev.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(float(row[4]), row[5], row[6]) for row in rows]


async def embed(server: RunningServer, sentences: list[str]) -> NDArray[np.float64]:
    stub = InferenceServiceStub(server.channel)
    vectors = []
    for start in range(0, len(sentences), CHUNK):
        response = await stub.Embed(pb.EmbedRequest(sentences=sentences[start : start + CHUNK]))
        vectors += [item.values for item in response.embeddings]
    return np.array(vectors)


async def reference(server: RunningServer, sentences: list[str]) -> NDArray[np.float32]:
    from sentence_transformers import SentenceTransformer

    record = versions_log(server.store).entries()[0]
    folder = server.store.root / "artifacts" / record.artifact_id
    vectors: NDArray[np.float32] = SentenceTransformer(str(folder), device="cpu").encode(sentences)
    return vectors


async def test_embed_of_any_text_equals_sentence_transformers(server: RunningServer) -> None:
    """Vectors made by this service and by the library are one index."""
    publish(server.store, resolve_base_model(DEFAULT_BASE_MODEL))
    await until_serving(server.channel, 1)
    sentences = [
        "ok",
        " two  spaces ",
        "naïve café 東京 🙂",
        "tab\tand\nnewline",
        "word " * 400,
        "UPPER lower",
        "@user http://x",
    ]
    np.testing.assert_allclose(await embed(server, sentences), await reference(server, sentences), atol=1e-5)


@pytest.mark.real_data
@pytest.mark.skipif("DATA_MIRROR" not in os.environ, reason="DATA_MIRROR names no folder with the public data sets")
async def test_embed_of_stsb_equals_sentence_transformers_and_ranks_pairs(server: RunningServer) -> None:
    """500 sentences within 1e-5; and the base model's Spearman on the 1,500 pairs is 0.867."""
    publish(server.store, resolve_base_model(DEFAULT_BASE_MODEL))
    await until_serving(server.channel, 1)
    pairs = stsb()
    assert len(pairs) == 1500
    left, right = await embed(server, [p[1] for p in pairs]), await embed(server, [p[2] for p in pairs])
    sentences = [p[1] for p in pairs[:500]]
    difference = np.abs(left[:500] - await reference(server, sentences)).max()
    spearman = spearmanr((left * right).sum(1), [p[0] for p in pairs]).statistic
    print(f"largest difference to sentence-transformers on 500 sentences: {difference:.1e}; Spearman {spearman:.4f}")
    assert difference <= 1e-5
    assert round(spearman, 3) == 0.867
