"""InferenceService: check, take a snapshot, run, answer; one request at a time or a stream of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import grpc

from polyhead.v1 import inference_pb2, inference_pb2_grpc
from server.batching.scheduler import Answer, Scheduler
from server.batching.stream_budget import StreamBudget
from server.models.manager import ModelManager
from server.models.observer import ModelObserver, SilentObserver
from server.models.snapshot import Snapshot
from server.rpc import requests, responses
from server.rpc.answer_sizes import check_answer, embedding_bytes, predictions_bytes
from server.rpc.streams import OrderedStream, Prepared
from shared.errors import PolyheadError

Context = grpc.aio.ServicerContext[Any, Any]
#: Computes sentences with a snapshot, under a truncation.
Run = Callable[[Snapshot, Sequence[str], int], Awaitable[Answer]]


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Errors are raised; the interceptor turns them into statuses."""

    def __init__(
        self,
        models: ModelManager,
        scheduler: Scheduler,
        limits: requests.Limits,
        observer: ModelObserver | None = None,
    ) -> None:
        """`observer` is told how the requests of each version end."""
        self._models = models
        self._observer = observer or SilentObserver()
        self._scheduler = scheduler
        self._limits = limits
        self._budget = StreamBudget(scheduler.queue)

    async def Predict(self, request: inference_pb2.PredictRequest, context: Context) -> inference_pb2.PredictResponse:
        return await self._prepare_predict(partial(self.run, deadline_s=deadline_of(context)), request).answer()

    async def Embed(self, request: inference_pb2.EmbedRequest, context: Context) -> inference_pb2.EmbedResponse:
        return await self._prepare_embed(partial(self.run, deadline_s=deadline_of(context)), request).answer()

    async def PredictStream(
        self, request_iterator: AsyncIterator[inference_pb2.PredictRequest], context: Context
    ) -> AsyncIterator[inference_pb2.PredictResponse]:
        prepare = partial(self._prepare_predict, self._run_of_stream(context))
        async for response in OrderedStream(prepare, self._budget).answers(request_iterator):
            yield response

    async def EmbedStream(
        self, request_iterator: AsyncIterator[inference_pb2.EmbedRequest], context: Context
    ) -> AsyncIterator[inference_pb2.EmbedResponse]:
        prepare = partial(self._prepare_embed, self._run_of_stream(context))
        async for response in OrderedStream(prepare, self._budget).answers(request_iterator):
            yield response

    async def run(
        self,
        snapshot: Snapshot,
        sentences: Sequence[str],
        truncation: int,
        deadline_s: float | None,
        is_reserved: bool = False,
    ) -> Answer:
        """Compute sentences that were checked."""
        check = None
        if truncation == inference_pb2.TRUNCATION_REFUSE:
            check = partial(requests.refuse_truncated, max_tokens=snapshot.text.max_tokens)
        started_s = time.monotonic()
        try:
            answer = await self._scheduler.run(
                snapshot.engine, snapshot.text.encode_blocking, sentences, deadline_s, check, is_reserved
            )
        except Exception as error:
            self._observer.failed(snapshot.version, error.code if isinstance(error, PolyheadError) else "INTERNAL")
            raise
        self._observer.answered(snapshot.version, time.monotonic() - started_s)
        return answer

    def _run_of_stream(self, context: Context) -> Run:
        return partial(self.run, deadline_s=deadline_of(context), is_reserved=True)

    def _prepare_predict(
        self, run: Run, request: inference_pb2.PredictRequest
    ) -> Prepared[inference_pb2.PredictResponse]:
        started_s = time.monotonic()
        violations = requests.check_sentences(request.sentences, request.truncation, self._limits)
        requests.refuse(violations + requests.check_model(request.model))
        snapshot = self._models.acquire(requests.predict_wish(request))
        requests.check_encoder(request.expect_encoder_id, snapshot)
        task_indices = requests.select_tasks(request.tasks, snapshot)
        sentence_bytes = predictions_bytes([snapshot.manifest.tasks[index] for index in task_indices])
        if request.include_embedding:
            sentence_bytes += embedding_bytes(snapshot.manifest.dimensions)
        check_answer(len(request.sentences), sentence_bytes, self._limits)

        async def answer() -> inference_pb2.PredictResponse:
            answer = await run(snapshot, list(request.sentences), request.truncation)
            return responses.predict_response(snapshot, task_indices, answer, request.include_embedding, started_s)

        return Prepared(partial(requests.most_tokens, request.sentences, snapshot), answer)

    def _prepare_embed(self, run: Run, request: inference_pb2.EmbedRequest) -> Prepared[inference_pb2.EmbedResponse]:
        started_s = time.monotonic()
        violations = requests.check_sentences(request.sentences, request.truncation, self._limits)
        requests.refuse(violations + requests.check_model(request.model))
        snapshot = self._models.acquire(requests.embed_wish(request))
        requests.refuse(requests.check_dimensions(request.dimensions, snapshot))
        requests.check_encoder(request.expect_encoder_id, snapshot)
        dimensions = request.dimensions or snapshot.manifest.dimensions
        check_answer(len(request.sentences), embedding_bytes(dimensions), self._limits)
        normalize = request.normalize if request.HasField("normalize") else True

        async def answer() -> inference_pb2.EmbedResponse:
            answer = await run(snapshot, list(request.sentences), request.truncation)
            return responses.embed_response(snapshot, answer, request.dimensions, normalize, started_s)

        return Prepared(partial(requests.most_tokens, request.sentences, snapshot), answer)


def deadline_of(context: Context) -> float | None:
    """When the caller gives up, in time.monotonic()."""
    remaining_s = context.time_remaining()
    return None if remaining_s is None else time.monotonic() + remaining_s
