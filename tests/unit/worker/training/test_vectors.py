"""Sentence vectors of a whole corpus."""

from __future__ import annotations

from pathlib import Path

import torch

from shared.model import MultiTaskModel
from tests.tiny_rows import make_corpus, make_rows
from worker.training.precision import Compute
from worker.training.vectors import encode_batch, encode_corpus

CPU = Compute(torch.device("cpu"), "float32")


def test_encode_corpus_gives_each_row_what_it_would_get_alone(tiny_model: MultiTaskModel, tiny_base: Path) -> None:
    """Rows are sorted by length and padded on the way; neither may show in the result."""
    corpus = make_corpus(tiny_base, [make_rows(300), make_rows(40, 3)])
    told: list[int] = []
    pooled_NH = encode_corpus(tiny_model, corpus, CPU, told.append)
    assert sum(told) == len(corpus)
    tiny_model.eval()
    for row in range(0, len(corpus), 37):
        alone_BH = encode_batch(tiny_model, corpus, CPU, torch.tensor([row]).numpy())
        torch.testing.assert_close(pooled_NH[row], alone_BH[0], rtol=0, atol=1e-5)


def test_encode_corpus_in_bfloat16_gives_float32_near_the_reference(
    tiny_model: MultiTaskModel, tiny_base: Path
) -> None:
    """Autocast rounds the products; the pooling and what follows stay in float32."""
    corpus = make_corpus(tiny_base, [make_rows(20), make_rows(20, 3)])
    rounded_NH = encode_corpus(tiny_model, corpus, Compute(torch.device("cpu"), "bfloat16"))
    assert rounded_NH.dtype == torch.float32
    torch.testing.assert_close(rounded_NH, encode_corpus(tiny_model, corpus, CPU), rtol=0, atol=0.05)
