"""Which rows an epoch draws: how many of each task, and which of them. A pure function of its arguments.

How drawn rows are put into batches is worker.training.batches. Nothing here knows torch.
"""

from __future__ import annotations

import numpy as np

from shared.spec import SamplingSpec
from worker.training.corpus import Corpus, Indices


def draw_epoch(corpus: Corpus, sampling: SamplingSpec, rng: np.random.Generator) -> list[Indices]:
    """The rows of each task that one epoch draws, as indices into `corpus`; as many in all as the corpus has."""
    tasks = [corpus.rows_of_task(task) for task in np.unique(corpus.task_ids)]
    if sampling.across == "temperature":
        shares = task_shares([len(rows) for rows in tasks], sampling.temperature)
    else:
        shares = [len(rows) for rows in tasks]
    return [draw_task(corpus, rows, share, sampling, rng) for rows, share in zip(tasks, shares, strict=True)]


def task_shares(num_rows: list[int], temperature: float) -> list[int]:
    """How many rows each task draws: in proportion to n^(1/temperature), adding up to all rows (largest remainders)."""
    weights = np.asarray(num_rows, dtype=np.float64) ** (1 / temperature)
    exact = weights / weights.sum() * sum(num_rows)
    shares = np.floor(exact).astype(np.int64)
    missing = sum(num_rows) - int(shares.sum())
    shares[np.argsort(-(exact - shares), kind="stable")[:missing]] += 1
    return [int(share) for share in shares]


def draw_task(corpus: Corpus, rows: Indices, share: int, sampling: SamplingSpec, rng: np.random.Generator) -> Indices:
    """`share` of one task's `rows`, in an order that says nothing about them."""
    if sampling.within == "class_balanced":
        return _draw_balanced(corpus, rows, share, rng)
    return rows if share == len(rows) else _cycle(rows, share, rng)


def _draw_balanced(corpus: Corpus, rows: Indices, share: int, rng: np.random.Generator) -> Indices:
    """Each of the task's labels equally often (to within one row)."""
    labels = rng.permutation(np.unique(corpus.label_ids[rows]))
    shares = np.full(len(labels), share // len(labels))
    shares[: share % len(labels)] += 1
    of_labels = [rows[corpus.label_ids[rows] == label] for label in labels]
    return np.concatenate([_cycle(own, int(num), rng) for own, num in zip(of_labels, shares, strict=True)])


def _cycle(rows: Indices, num: int, rng: np.random.Generator) -> Indices:
    """`num` of `rows`: without replacement if there are enough, else all again and again, in new orders."""
    cycles = [rng.permutation(rows) for _ in range(-(-num // len(rows)))]
    return np.concatenate([*cycles, rows[:0]])[:num]
