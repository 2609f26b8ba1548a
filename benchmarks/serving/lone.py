"""One caller, one sentence at a time: what a call takes beyond the engine's own forward pass."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from benchmarks.report import Figure
from benchmarks.serving.plain_client import PlainClient
from benchmarks.serving.processes import PREDICT, published, serving
from benchmarks.serving.sentences import tweets
from polyhead.v1 import inference_pb2
from server.engines.torch_engine import TorchEngine
from shared.store.folder import FolderStore
from tests.golden import loaded

T = TypeVar("T")

NUM_SENTENCES = 40
#: Calls, and forward passes, of each; the first ones are not counted.
REPEATS, FIRST = 30, 5


@dataclass(frozen=True, slots=True)
class _Medians:
    """In milliseconds. `beyond_own`: a call less the forward pass that it waited for, as the answer tells it.
    `beyond_loop`: a call less a forward pass of the same sentence in a loop of nothing else, in another process."""

    beyond_own: float
    beyond_loop: float
    loop: float


def lone() -> list[Figure]:
    """The same of a server that does nothing but answer (`bare_server`) says how much of it is the transport's."""
    print("lone-overhead-ms ...", flush=True)
    with published() as store:
        with serving(store) as server:
            ours = _measure(store, server.target)
        with serving(store, "benchmarks.serving.bare_server") as server:
            bare = _measure(store, server.target)
    own, loop = "the forward pass of the same call", "the same sentence's forward pass in a plain loop, {:.2f} ms"
    return [
        Figure("lone-overhead-ms", ours.beyond_own, "ms", own, ours.beyond_own / ours.loop),
        Figure("lone-overhead-ms-loop", ours.beyond_loop, "ms", loop.format(ours.loop), ours.beyond_loop / ours.loop),
        Figure("lone-overhead-ms-bare", bare.beyond_own, "ms", own, bare.beyond_own / bare.loop),
        Figure(
            "lone-overhead-ms-bare-loop", bare.beyond_loop, "ms", loop.format(bare.loop), bare.beyond_loop / bare.loop
        ),
    ]


def _measure(store: FolderStore, target: str) -> _Medians:
    model = loaded(store, 1)
    engine = TorchEngine(model.model, torch.device("cpu"), "float32")
    torch.set_num_threads(1)
    beyond_own, beyond_loop, loops = [], [], []
    with PlainClient(target, PREDICT) as client:
        for text in tweets(NUM_SENTENCES):
            call = partial(client.call, inference_pb2.PredictRequest(sentences=[text]).SerializeToString())
            calls = [_timed(call) for _ in range(REPEATS)][FIRST:]
            rows = [model.text.encode_blocking([text])[0].ids]
            passes = [_timed(partial(engine.run_blocking, rows)) for _ in range(REPEATS)][FIRST:]
            answers = [inference_pb2.PredictResponse.FromString(body) for _, body in calls]
            beyond_own += [
                call_ms - answer.timing.compute_ms for (call_ms, _), answer in zip(calls, answers, strict=True)
            ]
            loops.append(statistics.median(ms for ms, _ in passes))
            beyond_loop.append(statistics.median(ms for ms, _ in calls) - loops[-1])
    return _Medians(statistics.median(beyond_own), statistics.median(beyond_loop), statistics.median(loops))


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds, and what it returned."""
    began_s = time.perf_counter()
    returned = call()
    return (time.perf_counter() - began_s) * 1e3, returned
