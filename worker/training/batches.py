"""Batches: which rows go together, in which order. A pure function of rows, spec and epoch.

Rows of all tasks are mixed, each to its own head; across tasks every row is drawn once per epoch, which is proportional
sampling. Neighbours in length share a batch, so little is padded. Nothing here knows torch.
"""

from __future__ import annotations

import numpy as np

from shared.spec import OptimizerSpec, SamplingSpec
from worker.training.corpus import Corpus, Indices

#: Rows are shuffled, then sorted by length within pools of this many batches: large enough that neighbours hardly
#: differ in length, small enough that an epoch's order stays random (the Hugging Face Trainer's mega-batch is 50 too).
POOL_BATCHES = 50


def epoch_batches(corpus: Corpus, optimizer: OptimizerSpec, sampling: SamplingSpec, epoch: int) -> list[Indices]:
    """The batches of one epoch (counted from 0) as indices into `corpus`."""
    rng = np.random.default_rng((optimizer.seed, epoch))
    order = rng.permutation(_draw(corpus, sampling, rng))
    pool_rows = POOL_BATCHES * optimizer.rows_per_batch
    batches: list[Indices] = []
    for start in range(0, len(order), pool_rows):
        pool = order[start : start + pool_rows]
        pool = pool[np.argsort(corpus.lengths[pool], kind="stable")]
        batches += cut(pool, corpus.lengths, optimizer.tokens_per_batch, optimizer.rows_per_batch)
    return [batches[i] for i in rng.permutation(len(batches))]


def cut(order: Indices, lengths: Indices, tokens_per_batch: int, rows_per_batch: int) -> list[Indices]:
    """Cut `order` into batches within both bounds; tokens count with padding. A row longer than the bound is alone."""
    batches: list[Indices] = []
    start, longest = 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        rows = end + 1 - start
        if rows > 1 and (rows > rows_per_batch or rows * longest > tokens_per_batch):
            batches.append(order[start:end])
            start, longest = end, length
    if start < len(order):
        batches.append(order[start:])
    return batches


def _draw(corpus: Corpus, sampling: SamplingSpec, rng: np.random.Generator) -> Indices:
    if sampling.within == "natural":
        return np.arange(len(corpus))
    tasks = np.unique(corpus.task_ids)
    return np.concatenate([_draw_balanced(corpus, corpus.rows_of_task(task), rng) for task in tasks])


def _draw_balanced(corpus: Corpus, rows: Indices, rng: np.random.Generator) -> Indices:
    """As many rows as the task has, each of its labels equally often (to within one row).

    A label with too few rows is gone through again and again, each time in another order; one with too many is sampled
    without replacement.
    """
    labels = rng.permutation(np.unique(corpus.label_ids[rows]))
    shares = np.full(len(labels), len(rows) // len(labels))
    shares[: len(rows) % len(labels)] += 1
    drawn: list[Indices] = []
    for label, share in zip(labels, shares, strict=True):
        own = rows[corpus.label_ids[rows] == label]
        cycles = [rng.permutation(own) for _ in range(-(-int(share) // len(own)))]
        drawn.append(np.concatenate(cycles)[:share])
    return np.concatenate(drawn)
