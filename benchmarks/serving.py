"""The server against sentence-transformers and against its own engine, on the same sentences in the same run.

The client is a process of its own and shares the cores with the server, so the served figures include its cost.
Ratios are medians over interleaved pairs, since machines drift.
"""

from __future__ import annotations

import asyncio
import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import torch

from benchmarks.report import Figure
from polyhead.v1 import inference_pb2, inference_pb2_grpc
from server.engines.torch_engine import TorchEngine
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model
from shared.store.folder import FolderStore
from tests.golden import loaded
from tests.processes import free_port
from tests.published import publish

ROOT = Path(__file__).parents[1]
NUM_PAIRS = 5
NUM_SENTENCES = 512
NUM_LONE = 200


def sentences() -> list[str]:
    """Real tweets where DATA_MIRROR has them, else the samples."""
    mirror = os.environ.get("DATA_MIRROR")
    if mirror:
        path, encoding = Path(mirror) / "tweet_sentiment" / "train.csv", "utf-8"
    else:
        path, encoding = ROOT / "data" / "samples" / "sentiment.csv", "latin-1"
    with path.open(encoding=encoding, newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file) if (row["text"] or "").strip()]
    return random.Random(13).sample(texts, min(NUM_SENTENCES, len(texts)))


@contextmanager
def serving(store: FolderStore) -> Iterator[str]:
    """`python -m server` on the store; its inference needs no Redis."""
    target = f"127.0.0.1:{free_port()}"
    environment = os.environ | {"STORE_URL": str(store.root), "SERVER_LISTEN": target, "SERVER_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen([sys.executable, "-m", "server"], cwd=ROOT, env=environment)
    try:
        with grpc.insecure_channel(target) as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            for _ in range(300):
                try:
                    stub.Embed(inference_pb2.EmbedRequest(sentences=["ready?"]), wait_for_ready=True, timeout=60)
                    break
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    time.sleep(0.2)
        yield target
    finally:
        process.terminate()
        process.wait(60)


async def ask_all(target: str, texts: list[str], per_request: int, num_clients: int) -> None:
    """All sentences once, from so many clients at a time."""
    chunks = iter([texts[i : i + per_request] for i in range(0, len(texts), per_request)])
    async with grpc.aio.insecure_channel(target) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)

        async def client() -> None:
            for chunk in chunks:
                await stub.Predict(inference_pb2.PredictRequest(sentences=chunk))

        await asyncio.gather(*(client() for _ in range(num_clients)))


def measure() -> list[Figure]:
    """All serving figures."""
    from sentence_transformers import SentenceTransformer

    texts = sentences()
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        publish(store, resolve_base_model(DEFAULT_BASE_MODEL))
        peer = SentenceTransformer(str(resolve_base_model(DEFAULT_BASE_MODEL)), device="cpu")
        with serving(store) as target:

            def encode() -> None:
                peer.encode(texts, batch_size=32)

            def served(per_request: int, num_clients: int) -> None:
                asyncio.run(ask_all(target, texts, per_request, num_clients))

            figures = [
                _pair(name, texts, partial(served, per_request, num_clients), encode)
                for name, per_request, num_clients in (("single-64-vs-peer", 1, 64), ("batch-32-vs-peer", 32, 8))
            ]
            return [*figures, _lone(store, target, texts)]


def _pair(name: str, texts: list[str], ours: Callable[[], None], theirs: Callable[[], None]) -> Figure:
    print(f"{name} ...")
    for warm_up in (ours, theirs):
        warm_up()
    speeds = [(len(texts) / _seconds(ours), len(texts) / _seconds(theirs)) for _ in range(NUM_PAIRS)]
    ratio = statistics.median(our / their for our, their in speeds)
    value = statistics.median(our for our, _ in speeds)
    return Figure(name, value, "sentences/s", "sentence-transformers encode, batches of 32", ratio)


def _lone(store: FolderStore, target: str, texts: list[str]) -> Figure:
    """One caller, one sentence at a time: the whole call against the engine's forward pass alone."""
    model = loaded(store, 1)
    engine = TorchEngine(model.model, torch.device("cpu"), "float32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    calls, forwards = [], []
    with grpc.insecure_channel(target) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        for text in texts[:NUM_LONE]:
            calls.append(_seconds(partial(stub.Predict, inference_pb2.PredictRequest(sentences=[text]))))
            rows = [model.text.encode_blocking([text])[0].ids]
            forwards.append(_seconds(partial(engine.run_blocking, rows)))
    torch.set_num_threads(threads)
    call_ms, forward_ms = (statistics.median(times) * 1e3 for times in (calls, forwards))
    name = "lone-overhead-ms"
    return Figure(
        name, call_ms - forward_ms, "ms", f"the engine's forward pass, {forward_ms:.2f} ms", call_ms / forward_ms
    )


def _seconds(call: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s
