"""A client process that asks at a steady rate whatever the answers take, and tells every answer with its times.

    python -m benchmarks.serving.open_loop TARGET CALLS_PER_S SECONDS DEADLINE_S < sentences.json > answers.jsonl

One JSON array a line: [index of the sentence, when it was sent (monotonic s), seconds, version, scores or status].
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from polyhead.v1 import inference_pb2, inference_pb2_grpc

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """`sent_s` is monotonic time, the same clock for all processes of a machine. `status` is empty for OK."""

    index: int
    sent_s: float
    seconds: float
    version: int
    scores: tuple[float, ...]
    status: str


def start(
    target: str, calls_per_s: float, seconds: float, sentences: Sequence[str], deadline_s: float = 30.0
) -> subprocess.Popen[str]:
    """Start the client; `answers` reads what it says when it is done."""
    command = [
        sys.executable, "-m", "benchmarks.serving.open_loop", target, str(calls_per_s), str(seconds), str(deadline_s),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(list(sentences)))
    process.stdin.close()
    return process


def answers(process: subprocess.Popen[str]) -> list[Answer]:
    """Wait for the client's end; what it was answered."""
    assert process.stdout is not None
    with process.stdout:
        found = []
        for line in process.stdout:
            index, sent_s, seconds, version, told = json.loads(line)
            is_ok = isinstance(told, list)
            found.append(Answer(index, sent_s, seconds, version, tuple(told) if is_ok else (), "" if is_ok else told))
    if process.wait() != 0:
        raise RuntimeError(f"the client ended with {process.returncode}")
    return found


async def _ask(
    stub: inference_pb2_grpc.InferenceServiceAsyncStub, index: int, sentence: str, deadline_s: float
) -> list[object]:
    sent_s = time.monotonic()
    try:
        response = await stub.Predict(inference_pb2.PredictRequest(sentences=[sentence]), timeout=deadline_s)
    except grpc.aio.AioRpcError as error:
        return [index, sent_s, time.monotonic() - sent_s, 0, f"{error.code().name}: {error.details()}"]
    scores = [item.score for prediction in response.results[0].predictions for item in prediction.scores]
    return [index, sent_s, time.monotonic() - sent_s, response.model_version, scores]


async def _main(target: str, calls_per_s: float, seconds: float, deadline_s: float, sentences: list[str]) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        calls = []
        began_s = time.monotonic()
        for number in range(int(calls_per_s * seconds)):
            await asyncio.sleep(max(0.0, began_s + number / calls_per_s - time.monotonic()))
            index = number % len(sentences)
            calls.append(asyncio.create_task(_ask(stub, index, sentences[index], deadline_s)))
        for call in calls:
            print(json.dumps(await call))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), json.load(sys.stdin)))
