"""One caller, one sentence at a time: the whole call against the engine's own forward pass of the same sentence."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import grpc
import torch

from benchmarks.report import Figure
from benchmarks.serving.processes import published, serving
from benchmarks.serving.sentences import tweets
from polyhead.v1 import inference_pb2, inference_pb2_grpc
from server.engines.torch_engine import TorchEngine
from shared.store.folder import FolderStore
from tests.golden import loaded

NUM_CALLS = 400


def lone() -> list[Figure]:
    """The median call less the median forward pass; calls and passes alternate.

    The same of a server that does nothing but answer (`bare_server`) says how much of it is the transport's.
    """
    print("lone-overhead-ms ...", flush=True)
    with published() as store:
        with serving(store) as server:
            call_ms, forward_ms = _medians_ms(store, server.target)
        with serving(store, "benchmarks.serving.bare_server") as server:
            bare_ms, bare_forward_ms = _medians_ms(store, server.target)
    against = f"the engine's forward pass, {forward_ms:.2f} ms"
    bare_against = f"the engine's forward pass, {bare_forward_ms:.2f} ms"
    return [
        Figure("lone-overhead-ms", call_ms - forward_ms, "ms", against, call_ms / forward_ms),
        Figure("lone-overhead-ms-bare", bare_ms - bare_forward_ms, "ms", bare_against, bare_ms / bare_forward_ms),
    ]


def _medians_ms(store: FolderStore, target: str) -> tuple[float, float]:
    """Of the calls, and of the forward passes."""
    model = loaded(store, 1)
    engine = TorchEngine(model.model, torch.device("cpu"), "float32")
    torch.set_num_threads(1)
    calls, forwards = [], []
    with grpc.insecure_channel(target) as channel:
        predict = inference_pb2_grpc.InferenceServiceStub(channel).Predict
        for text in tweets(NUM_CALLS):
            rows = [model.text.encode_blocking([text])[0].ids]
            calls.append(_seconds(partial(predict, inference_pb2.PredictRequest(sentences=[text]))))
            forwards.append(_seconds(partial(engine.run_blocking, rows)))
    return statistics.median(calls) * 1e3, statistics.median(forwards) * 1e3


def _seconds(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s
