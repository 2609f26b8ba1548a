"""`python -m benchmarks.serving.bare_server`: the least that grpc.aio needs to answer Predict with the same engine.

One call at a time through an executor: no queue, limits, versions, ids, metrics or errors. What a call costs here
beyond the forward pass, grpc.aio, tokenizer and executor cost together, whatever stands around them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import torch

from polyhead.v1 import inference_pb2, inference_pb2_grpc
from server.engines.engine import EngineOutput
from server.engines.torch_engine import TorchEngine
from shared.store.folder import FolderStore
from tests.golden import loaded


class BareServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Predict, all heads."""

    def __init__(self, store: FolderStore) -> None:
        model = loaded(store, 1)
        self._text = model.text
        self._labels = [label for task in model.model.tasks for label in task.labels]
        self._engine = TorchEngine(model.model, torch.device("cpu"), "float32")
        self._executor = ThreadPoolExecutor(1, initializer=partial(torch.set_num_threads, 1))

    async def Predict(self, request: inference_pb2.PredictRequest, context: Any) -> inference_pb2.PredictResponse:
        rows: Sequence[Sequence[int]] = [item.ids for item in self._text.encode_blocking(request.sentences)]
        loop = asyncio.get_running_loop()
        output, compute_ms = await loop.run_in_executor(self._executor, self._compute, rows)
        return inference_pb2.PredictResponse(
            results=[self._result(scores) for scores in output.scores_BC.tolist()],
            timing=inference_pb2.Timing(compute_ms=compute_ms),
        )

    def _compute(self, rows: Sequence[Sequence[int]]) -> tuple[EngineOutput, float]:
        """And how many milliseconds it took."""
        began_s = time.monotonic()
        output = self._engine.run_blocking(rows)
        return output, (time.monotonic() - began_s) * 1e3

    def _result(self, scores: list[float]) -> inference_pb2.SentenceResult:
        pairs = zip(self._labels, scores, strict=True)
        told = [inference_pb2.LabelScore(label=label, score=score) for label, score in pairs]
        return inference_pb2.SentenceResult(predictions=[inference_pb2.TaskPrediction(scores=told)])


async def _serve() -> None:
    torch.set_num_threads(1)
    server = grpc.aio.server()
    servicer = BareServicer(FolderStore(Path(os.environ["STORE_URL"])))  # type: ignore[abstract]  # Predict is all that is asked
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["SERVER_LISTEN"])
    gc.collect()
    gc.freeze()
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
