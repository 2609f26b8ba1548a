"""The server with its client against sentence-transformers' encode, which has neither server nor heads."""

from __future__ import annotations

import asyncio
import statistics
import time

import grpc

from benchmarks.report import Figure
from benchmarks.serving.processes import published, serving
from benchmarks.serving.sentences import tweets
from polyhead.v1 import inference_pb2, inference_pb2_grpc
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model


def peer(pairs: int) -> list[Figure]:
    """All sentences once through each, in interleaved pairs."""
    from sentence_transformers import SentenceTransformer

    texts = tweets()
    encoder = SentenceTransformer(str(resolve_base_model(DEFAULT_BASE_MODEL)), device="cpu")

    def encoded() -> float:
        began_s = time.perf_counter()
        encoder.encode(texts, batch_size=32)
        return len(texts) / (time.perf_counter() - began_s)

    figures = []
    with published() as store, serving(store) as server:
        for name, per_request, clients in (("single-64-vs-peer", 1, 64), ("batch-32-vs-peer", 32, 8)):
            print(f"{name} ...", flush=True)

            def served(per_request: int = per_request, clients: int = clients) -> float:
                began_s = time.perf_counter()
                asyncio.run(_ask_all(server.target, texts, per_request, clients))
                return len(texts) / (time.perf_counter() - began_s)

            served(), encoded()
            speeds = [(encoded(), served()) for _ in range(pairs)]
            figures.append(
                Figure(
                    name,
                    statistics.median(mine for _, mine in speeds),
                    "sentences/s",
                    "sentence-transformers encode, batches of 32",
                    statistics.median(mine / theirs for theirs, mine in speeds),
                )
            )
    return figures


async def _ask_all(target: str, texts: list[str], per_request: int, clients: int) -> None:
    chunks = iter([texts[start : start + per_request] for start in range(0, len(texts), per_request)])
    async with grpc.aio.insecure_channel(target) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)

        async def client() -> None:
            for chunk in chunks:
                await stub.Predict(inference_pb2.PredictRequest(sentences=chunk))

        await asyncio.gather(*(client() for _ in range(clients)))
