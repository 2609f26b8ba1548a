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
from tests.golden import loaded

NUM_CALLS = 400


def lone() -> list[Figure]:
    """The median call less the median forward pass; calls and passes alternate."""
    print("lone-overhead-ms ...", flush=True)
    with published() as store, serving(store) as server:
        model = loaded(store, 1)
        engine = TorchEngine(model.model, torch.device("cpu"), "float32")
        torch.set_num_threads(1)
        calls, forwards = [], []
        with grpc.insecure_channel(server.target) as channel:
            predict = inference_pb2_grpc.InferenceServiceStub(channel).Predict
            for text in tweets(NUM_CALLS):
                rows = [model.text.encode_blocking([text])[0].ids]
                calls.append(_seconds(partial(predict, inference_pb2.PredictRequest(sentences=[text]))))
                forwards.append(_seconds(partial(engine.run_blocking, rows)))
    call_ms, forward_ms = (statistics.median(times) * 1e3 for times in (calls, forwards))
    against = f"the engine's forward pass, {forward_ms:.2f} ms"
    return [Figure("lone-overhead-ms", call_ms - forward_ms, "ms", against, call_ms / forward_ms)]


def _seconds(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s
