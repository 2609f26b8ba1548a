"""Calls of the InferenceService, asyncio: predictions and embeddings."""

from __future__ import annotations

from collections.abc import Iterable

from polyhead import parts, readers, requests, results
from polyhead.calls.aio_parts import AsyncPartCalls


class AsyncInferenceCalls(AsyncPartCalls):
    """Predict and Embed."""

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

        `model` names a version (3 or "3") or an alias. Without it, requests of one `routing_key` see one version
        while a canary runs. More sentences than the server takes at once go in several calls within one `timeout_s`,
        all answered by one version; the first part that is wrong is named.
        """
        request = requests.predict_request(
            sentences, tasks, include_embedding, expect_encoder_id, truncation, model, routing_key
        )
        return await self._ask(
            self._inference.Predict, request, readers.read_predictions, parts.join_predictions, timeout_s
        )

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

        `model`, `routing_key` and long lists as for `predict`.
        """
        request = requests.embed_request(
            sentences, normalize, dimensions, expect_encoder_id, truncation, model, routing_key
        )
        return await self._ask(
            self._inference.Embed, request, readers.read_embeddings, parts.join_embeddings, timeout_s
        )
