"""Calls of the InferenceService, asyncio: predictions and embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from polyhead import readers, requests, results
from polyhead.calls.aio_connection import AsyncConnection
from polyhead.v1 import inference_pb2_grpc


class AsyncInferenceCalls(AsyncConnection):
    """Predict and Embed."""

    @cached_property
    def _inference(self) -> inference_pb2_grpc.InferenceServiceAsyncStub:
        return inference_pb2_grpc.InferenceServiceStub(self._channel)

    async def predict(
        self,
        sentences: str | Iterable[str],
        *,
        tasks: Iterable[str] = (),
        include_embedding: bool = False,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        model: requests.ModelName = None,
        routing_key: str = "",
        timeout_s: float | None = None,
    ) -> results.PredictResult:
        """Classify sentences with the named tasks, or with all that the model has.

        `model` names a version or an alias. Without it, requests of one `routing_key` see one version
        while a canary runs.
        """
        request = requests.predict_request(
            sentences, tasks, include_embedding, expect_encoder_id, truncation, model, routing_key
        )
        return readers.read_predictions(await self._call(self._inference.Predict, request, timeout_s))

    async def embed(
        self,
        sentences: str | Iterable[str],
        *,
        normalize: bool = True,
        dimensions: int = 0,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        model: requests.ModelName = None,
        routing_key: str = "",
        timeout_s: float | None = None,
    ) -> results.EmbedResult:
        """Embed sentences. `dimensions` keeps the first so many values (0: all) and normalises again.

        `model` and `routing_key` as for `predict`.
        """
        request = requests.embed_request(
            sentences, normalize, dimensions, expect_encoder_id, truncation, model, routing_key
        )
        return readers.read_embeddings(await self._call(self._inference.Embed, request, timeout_s))
