"""Batches: which rows go together, in which order. A pure function of rows, spec and epoch.

Which rows an epoch draws is worker.training.sampling. By default rows of all tasks are mixed, each to its own head.
Neighbours in length share a batch, so little is padded. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.spec import OptimizerSpec, SamplingSpec
from worker.training.corpus import Corpus, Indices
from worker.training.sampling import draw_epoch, draw_task

#: Rows are shuffled, then sorted by length within pools of this many batches: large enough that neighbours hardly
#: differ in length, small enough that an epoch's order stays random (the Hugging Face Trainer's mega-batch is 50 too).
POOL_BATCHES = 50


def epoch_batches(corpus: Corpus, optimizer: OptimizerSpec, sampling: SamplingSpec, epoch: int) -> list[Indices]:
    """The batches of one epoch (counted from 0) as indices into `corpus`."""
    rng = np.random.default_rng((optimizer.seed, epoch))
    if sampling.across == "round_robin":
        return _take_turns(corpus, optimizer, sampling, rng)
    drawn = draw_epoch(corpus, sampling, rng)
    together = [np.concatenate(drawn)] if sampling.mixing == "mixed" else drawn
    batches = [batch for rows in together for batch in _pack(rows, corpus, optimizer, rng)]
    return [batches[i] for i in rng.permutation(len(batches))]


def rows_drawn(
    corpus: Corpus, optimizer: OptimizerSpec, sampling: SamplingSpec, tasks: Sequence[str]
) -> dict[str, int]:
    """How many rows of each task the first epoch draws, for the report; every epoch has the same shares."""
    drawn = np.concatenate(epoch_batches(corpus, optimizer, sampling, 0))
    counts = np.bincount(corpus.task_ids[drawn], minlength=len(tasks)).tolist()
    return dict(zip(tasks, counts, strict=True))


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


def _pack(rows: Indices, corpus: Corpus, optimizer: OptimizerSpec, rng: np.random.Generator) -> list[Indices]:
    """`rows` in batches of neighbours in length."""
    order = rng.permutation(rows)
    pool_rows = POOL_BATCHES * optimizer.rows_per_batch
    batches: list[Indices] = []
    for start in range(0, len(order), pool_rows):
        pool = order[start : start + pool_rows]
        pool = pool[np.argsort(corpus.lengths[pool], kind="stable")]
        batches += cut(pool, corpus.lengths, optimizer.tokens_per_batch, optimizer.rows_per_batch)
    return batches


def _take_turns(
    corpus: Corpus, optimizer: OptimizerSpec, sampling: SamplingSpec, rng: np.random.Generator
) -> list[Indices]:
    """One batch of each task in turn; as many batches as a pass over all rows needs, rounded up to whole rounds.

    A task with few rows is gone through again and again, one with many is not gone through whole in one epoch.
    """
    tasks = [corpus.rows_of_task(task) for task in np.unique(corpus.task_ids)]

    def one_pass(rows: Indices) -> list[Indices]:
        batches = _pack(draw_task(corpus, rows, len(rows), sampling, rng), corpus, optimizer, rng)
        return [batches[i] for i in rng.permutation(len(batches))]

    passes = [one_pass(rows) for rows in tasks]
    rounds = -(-sum(map(len, passes)) // len(tasks))
    for rows, batches in zip(tasks, passes, strict=True):
        while len(batches) < rounds:
            batches += one_pass(rows)
    return [batches[turn] for turn in range(rounds) for batches in passes]
