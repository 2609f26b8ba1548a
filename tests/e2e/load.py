"""A client process that asks at a steady rate, whatever the answers take, and writes down every one of them.

    python -m tests.e2e.load TARGET REQUESTS_PER_S SECONDS < sentences > answers

One JSON array a line: [index of the sentence, version, scores of all tasks] or [index, 0, "what failed"].
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import grpc

from polyhead.v1 import inference_pb2, inference_pb2_grpc


async def ask(stub: inference_pb2_grpc.InferenceServiceAsyncStub, index: int, sentence: str) -> list[object]:
    try:
        response = await stub.Predict(inference_pb2.PredictRequest(sentences=[sentence]), timeout=30)
    except grpc.aio.AioRpcError as error:
        return [index, 0, f"{error.code().name}: {error.details()}"]
    scores = [item.score for prediction in response.results[0].predictions for item in prediction.scores]
    return [index, response.model_version, scores]


async def main(target: str, requests_per_s: float, seconds: float, sentences: list[str]) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        calls = []
        started_s = time.monotonic()
        for number in range(int(requests_per_s * seconds)):
            await asyncio.sleep(max(0.0, started_s + number / requests_per_s - time.monotonic()))
            index = number % len(sentences)
            calls.append(asyncio.create_task(ask(stub, index, sentences[index])))
        for call in calls:
            print(json.dumps(await call))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.stdin.read().splitlines()))
