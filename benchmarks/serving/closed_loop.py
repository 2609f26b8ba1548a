"""Throughput in closed loops: served against raw, many heads against two, mixed lengths against first in, first out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.report import Figure
from benchmarks.serving import h2load
from benchmarks.serving.processes import PREDICT, ServerProcess, published, serving
from benchmarks.serving.raw import RawEngine
from benchmarks.serving.sentences import num_tokens, of_length, tweets
from polyhead.v1 import inference_pb2
from shared.model import Task

SECONDS = 6
#: Generators at once: enough bodies for a mix of lengths, few enough that they cost little.
NUM_BODIES = 16


def measured(server: ServerProcess, loads: Sequence[h2load.Load], tokens: Sequence[int]) -> float:
    """Tokens/s that come back; `tokens[i]` are those of one message of load i.

    Raises:
        RuntimeError: if a call was not answered with OK, by the server's own counter.
    """
    before = server.num_not_answered()
    outcome = h2load.run(server.target, PREDICT, loads, SECONDS)
    refused = server.num_not_answered() - before
    if refused:
        raise RuntimeError(f"{refused:.0f} calls were not answered with OK")
    print(f"  generators used {outcome.cpu_s / outcome.seconds:.2f} cores", flush=True)
    return sum(calls * each for calls, each in zip(outcome.answered, tokens, strict=True)) / outcome.seconds


def against_raw(pairs: int) -> list[Figure]:
    """single-64, single-256 and batch-32, each in interleaved pairs with the raw engine."""
    texts = tweets()
    lengths = num_tokens(texts)
    figures = []
    with published() as store, serving(store) as server, RawEngine(store.root, texts) as raw:
        print(f"raw: {raw.setting}", flush=True)
        for name, per_request, clients in (("single-64", 1, 64), ("single-256", 1, 256), ("batch-32", 32, 8)):
            print(f"{name}-vs-raw ...", flush=True)
            num = min(NUM_BODIES, clients)
            # Every body has its share of short and long sentences, so that the mix is that of all.
            order = sorted(range(len(texts)), key=lambda index: lengths[index])
            step = len(order) / (num * per_request)
            picked = [order[int((i + 0.5) * step)] for i in range(num * per_request)]
            bodies = [picked[start::num] for start in range(num)]
            loads = [_load([texts[index] for index in body], clients // num) for body in bodies]
            tokens = [sum(lengths[index] for index in body) for body in bodies]
            measured(server, loads, tokens)
            speeds = [(raw.tokens_per_s(), measured(server, loads, tokens)) for _ in range(pairs)]
            figures.append(
                Figure(
                    f"{name}-vs-raw",
                    statistics.median(served for _, served in speeds),
                    "tokens/s",
                    f"the engine in a plain loop ({raw.setting})",
                    statistics.median(served / alone for alone, served in speeds),
                )
            )
    return figures


def heads(pairs: int) -> list[Figure]:
    """Twenty heads against two, 64 single-sentence callers."""
    texts = tweets(NUM_BODIES)
    lengths = num_tokens(texts)
    loads = [_load([text], 4) for text in texts]
    few = [Task(f"task{number}", ("yes", "no", "unsure")) for number in range(2)]
    many = [Task(f"task{number}", ("yes", "no", "unsure")) for number in range(20)]
    with (
        published(few) as few_store,
        published(many) as many_store,
        serving(few_store) as with_few,
        serving(many_store) as with_many,
    ):
        for server in (with_few, with_many):
            measured(server, loads, lengths)
        speeds = [(measured(with_few, loads, lengths), measured(with_many, loads, lengths)) for _ in range(pairs)]
    value = statistics.median(twenty for _, twenty in speeds)
    ratio = statistics.median(twenty / two for two, twenty in speeds)
    return [Figure("heads-20-vs-2", value, "tokens/s", "2 heads", ratio)]


def mixed(pairs: int) -> list[Figure]:
    """Half of 8 tokens, half of 128: windows of neighbours in length against first-in-first-out batches."""
    texts = tweets()
    short, long = of_length(texts, 8, 8), of_length(texts, 128, 8)
    loads = [_load([text], 4) for text in (*short, *long)]
    ones = [1] * len(loads)
    with published() as store, serving(store) as ours, serving(store, "benchmarks.serving.fifo_server") as fifo:
        for server in (ours, fifo):
            measured(server, loads, ones)
        speeds = [(measured(fifo, loads, ones), measured(ours, loads, ones)) for _ in range(pairs)]
    value = statistics.median(mine for _, mine in speeds)
    ratio = statistics.median(mine / theirs for theirs, mine in speeds)
    return [Figure("mixed-vs-fifo", value, "sentences/s", "first-in-first-out batches of the same budget", ratio)]


def _load(sentences: list[str], connections: int) -> h2load.Load:
    return h2load.Load(inference_pb2.PredictRequest(sentences=sentences), connections)
