"""What bounds a training step on this machine: matrix products in both precisions, and what replaced torch's own parts.

`python -m benchmarks.training.limits THREADS` prints a JSON list of figures. Shapes are those of a batch of 1,024
tokens, 32 rows of 32, in a MiniLM.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.report import Figure
from worker.training.dropout import Dropout
from worker.training.embedding_tables import EmbeddingTables

TOKENS, HIDDEN, INNER = 1024, 384, 1536
HEADS, ROWS, PLACES = 12, 32, 32
VOCABULARY = 30_522
RATE = 0.1
ROUNDS, ROUND_S = 7, 0.2


def main(threads: int) -> list[Figure]:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return [_products(), _noise(), _attention(), _table()]


def _products() -> Figure:
    """The three products of the largest layer, as often as a step has them."""
    speed = {}
    for precision in (torch.float32, torch.bfloat16):
        values, grads = torch.randn(TOKENS, HIDDEN).to(precision), torch.randn(TOKENS, INNER).to(precision)
        weight = torch.randn(INNER, HIDDEN).to(precision)

        def products(values: Tensor = values, grads: Tensor = grads, weight: Tensor = weight) -> None:
            functional.linear(values, weight)
            grads @ weight
            grads.T @ values

        speed[precision] = 3 * 2 * TOKENS * HIDDEN * INNER / _seconds(products)[0] / 1e9
    slow, fast = speed[torch.float32], speed[torch.bfloat16]
    return Figure("matrix-products", fast, "GFLOP/s, bfloat16", f"float32, {slow:.0f} GFLOP/s", fast / slow)


def _noise() -> Figure:
    hidden, dropout = torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16), Dropout(0)

    def ours() -> None:
        with dropout:
            functional.dropout(hidden, RATE)

    return _against("dropout", ours, partial(functional.dropout, hidden, RATE))


def _attention() -> Figure:
    dropout = Dropout(0)
    shape = (ROWS, HEADS, PLACES, HIDDEN // HEADS)
    query, key, value = (torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))

    def theirs() -> None:
        sums = functional.scaled_dot_product_attention(query, key, value, dropout_p=RATE)
        torch.autograd.grad(sums.sum(), (query, key, value))

    def ours() -> None:
        with dropout:
            theirs()

    return _against("attention-with-dropout", ours, theirs)


def _table() -> Figure:
    table = nn.Embedding(VOCABULARY, HIDDEN)
    ids = torch.randint(VOCABULARY, (ROWS, PLACES))

    def step(tables: EmbeddingTables) -> None:
        table(ids).sum().backward()
        tables.spread()
        table.weight.grad = None
        tables.clear()

    (theirs_s,) = _seconds(partial(step, EmbeddingTables([])))  # first: the other one changes what the table gives
    (ours_s,) = _seconds(partial(step, EmbeddingTables([table])))
    return _figure("gradient-of-embeddings", ours_s, theirs_s)


def _against(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Figure:
    return _figure(name, *_seconds(ours, theirs))


def _figure(name: str, ours_s: float, theirs_s: float) -> Figure:
    return Figure(name, ours_s * 1e3, "ms", f"torch's own, {theirs_s * 1e3:.2f} ms", theirs_s / ours_s)


def _seconds(*calls: Callable[[], object]) -> list[float]:
    """Seconds of one call of each: medians over rounds in which they take turns."""
    took: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, own in zip(calls, took, strict=True):
            call()
            began, times = time.perf_counter(), 0
            while time.perf_counter() - began < ROUND_S:
                call()
                times += 1
            own.append((time.perf_counter() - began) / times)
    return [statistics.median(own) for own in took]


if __name__ == "__main__":
    print(json.dumps([asdict(figure) for figure in main(int(sys.argv[1]))]))
