"""Sentence vectors of a corpus: computed anew for each batch, or for all rows at once without gradients.

Vectors that rest on kept outputs of frozen layers are worker.training.cached_vectors. Tensor shapes as in shared.model;
N counts the rows of a corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from shared.model import MultiTaskModel
from worker.training.batches import cut
from worker.training.corpus import Corpus, Indices
from worker.training.precision import Compute

#: Tokens and rows of a batch without gradients. Rates are flat from 1,024 tokens up (two cores with AMX, 2026-11).
ENCODE_TOKENS, ENCODE_ROWS = 4096, 128

#: The vectors of a batch of corpus rows, pooled_BH, in float32.
VectorSource = Callable[[Indices], Tensor]


def encode_batch(model: MultiTaskModel, corpus: Corpus, compute: Compute, batch: Indices) -> Tensor:
    """pooled_BH of the rows in `batch`, in its order; float32, since the pooling is."""
    ids_BT, mask_BT = padded(model, corpus, compute, batch)
    with compute.autocast():
        return model.pool(ids_BT, mask_BT)


def padded(model: MultiTaskModel, corpus: Corpus, compute: Compute, batch: Indices) -> tuple[Tensor, Tensor]:
    """ids_BT and mask_BT, int64, of the rows in `batch`."""
    ids_BT, mask_BT = corpus.padded(batch, model.pad_token_id)
    return torch.from_numpy(ids_BT).to(compute.device), torch.from_numpy(mask_BT).to(compute.device, torch.int64)


def encode_corpus(
    model: MultiTaskModel, corpus: Corpus, compute: Compute, on_rows: Callable[[int], None] | None = None
) -> Tensor:
    """pooled_NH of all rows, without gradients and without dropout; `on_rows` hears how many more are done.

    Leaves the model in eval mode.
    """
    model.eval()
    pooled_NH = torch.empty(len(corpus), model.hidden_size, device=compute.device)
    with torch.no_grad():  # not inference mode: heads are trained on these vectors
        for batch in batches_by_length(corpus, np.arange(len(corpus))):
            pooled_NH[torch.from_numpy(batch).to(compute.device)] = encode_batch(model, corpus, compute, batch)
            if on_rows is not None:
                on_rows(len(batch))
    return pooled_NH


def batches_by_length(corpus: Corpus, rows: Indices) -> Iterator[Indices]:
    """`rows` in batches for passes without gradients."""
    # Longest first: a batch that does not fit into memory fails at once.
    order = rows[np.argsort(-corpus.lengths[rows], kind="stable")]
    yield from cut(order, corpus.lengths, ENCODE_TOKENS, ENCODE_ROWS)
