"""Which rows of a batch a rank computes. Pure; every rank comes to the same parts."""

from __future__ import annotations

import numpy as np

from worker.training.corpus import Indices


def part_of(batch: Indices, lengths: Indices, rank: int, size: int) -> Indices:
    """The rows of `batch` for `rank`, of `size` parts with nearly as many tokens each.

    Neighbours in length stay together, so that little is padded. Empty only if there are fewer rows than ranks.
    """
    order = batch[np.argsort(lengths[batch], kind="stable")]
    tokens = np.cumsum(lengths[order])
    edges = np.searchsorted(tokens, tokens[-1] * np.arange(1, size) / size, side="right")
    if len(order) >= size:
        # A row at least for each: of the first k parts k, and as many left as there are parts to come.
        ranks = np.arange(1, size)
        edges = np.clip(edges, ranks, len(order) - size + ranks)
    edges = np.concatenate([[0], edges, [len(order)]])
    return order[edges[rank] : edges[rank + 1]]
