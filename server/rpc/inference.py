"""InferenceService: check, take a snapshot, run, answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc

from polyhead.v1 import inference_pb2, inference_pb2_grpc
from server.batching.scheduler import Answer, Scheduler
from server.models.manager import ModelManager
from server.models.snapshot import Snapshot
from server.rpc import requests, responses

Context = grpc.aio.ServicerContext[Any, Any]


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Errors are raised; the interceptor turns them into statuses."""

    def __init__(self, models: ModelManager, scheduler: Scheduler, limits: requests.Limits) -> None:
        self._models = models
        self._scheduler = scheduler
        self._limits = limits

    async def Predict(self, request: inference_pb2.PredictRequest, context: Context) -> inference_pb2.PredictResponse:
        started_s = time.monotonic()
        violations = requests.check_sentences(request.sentences, request.truncation, self._limits)
        requests.refuse(violations + requests.check_model(request.model))
        snapshot = self._models.acquire(requests.predict_wish(request))
        requests.check_encoder(request.expect_encoder_id, snapshot)
        task_indices = requests.select_tasks(request.tasks, snapshot)
        answer = await self.run(snapshot, request.sentences, request.truncation, context)
        return responses.predict_response(snapshot, task_indices, answer, request.include_embedding, started_s)

    async def Embed(self, request: inference_pb2.EmbedRequest, context: Context) -> inference_pb2.EmbedResponse:
        started_s = time.monotonic()
        violations = requests.check_sentences(request.sentences, request.truncation, self._limits)
        requests.refuse(violations + requests.check_model(request.model))
        snapshot = self._models.acquire(requests.embed_wish(request))
        requests.refuse(requests.check_dimensions(request.dimensions, snapshot))
        requests.check_encoder(request.expect_encoder_id, snapshot)
        answer = await self.run(snapshot, request.sentences, request.truncation, context)
        normalize = request.normalize if request.HasField("normalize") else True
        return responses.embed_response(snapshot, answer, request.dimensions, normalize, started_s)

    async def run(self, snapshot: Snapshot, sentences: Sequence[str], truncation: int, context: Context) -> Answer:
        remaining_s = context.time_remaining()
        deadline_s = None if remaining_s is None else time.monotonic() + remaining_s
        check = None
        if truncation == inference_pb2.TRUNCATION_REFUSE:
            check = partial(requests.refuse_truncated, max_tokens=snapshot.text.max_tokens)
        return await self._scheduler.run(
            snapshot.engine, snapshot.text.encode_blocking, list(sentences), deadline_s, check
        )
