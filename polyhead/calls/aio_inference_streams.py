"""Calls of the InferenceService that stream, asyncio: any number of sentences, results as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from polyhead import readers, requests, results
from polyhead.calls.aio_connection import AsyncConnection
from polyhead.errors import CallError
from polyhead.streams.aio_feed import AsyncFeed
from polyhead.streams.batches import DEFAULT_BATCH_SIZE, Batches, OneEncoder
from polyhead.timeouts import check_optional_timeout

T = TypeVar("T", covariant=True)


class _Answer(Protocol[T]):
    """PredictResult or EmbedResult."""

    @property
    def encoder_id(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> T: ...


class AsyncInferenceStreamCalls(AsyncConnection):
    """PredictStream and EmbedStream."""

    def predict_stream(
        self,
        sentences: Iterable[str] | AsyncIterable[str],
        *,
        tasks: Iterable[str] = (),
        include_embedding: bool = False,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        model: requests.ModelName = None,
        routing_key: str = "",
        batch_size: int = DEFAULT_BATCH_SIZE,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[results.SentenceResult, None]:
        """Classify any number of sentences, also without end; yields their results one by one, in order.

        `sentences` may be an async iterable; a plain one is read on the event loop. Reads ahead a few hundred at most,
        `batch_size` in one message; of sentences that come slowly, 1 answers each at once. Leaving the loop ends the
        call once the iterator is closed (contextlib.aclosing does it at once). A stream has no deadline unless
        `timeout_s` is given, is not tried again, and its parts may be of different versions. Errors name the sentence,
        counted from 0, after the results of those before it.
        """
        timeout_s = check_optional_timeout(timeout_s)
        form = requests.predict_request((), tasks, include_embedding, expect_encoder_id, truncation, model, routing_key)
        feed = AsyncFeed(sentences, Batches(form, batch_size))
        return self._stream(self._inference.PredictStream, feed, readers.read_predictions, include_embedding, timeout_s)

    def embed_stream(
        self,
        sentences: Iterable[str] | AsyncIterable[str],
        *,
        normalize: bool = True,
        dimensions: int = 0,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        model: requests.ModelName = None,
        routing_key: str = "",
        batch_size: int = DEFAULT_BATCH_SIZE,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[results.SentenceEmbedding, None]:
        """Embed any number of sentences, also without end; otherwise as `predict_stream`.

        Raises:
            FailedPreconditionError: if a model with another encoder is released meanwhile: vectors would not compare.
        """
        timeout_s = check_optional_timeout(timeout_s)
        form = requests.embed_request((), normalize, dimensions, expect_encoder_id, truncation, model, routing_key)
        feed = AsyncFeed(sentences, Batches(form, batch_size))
        return self._stream(self._inference.EmbedStream, feed, readers.read_embeddings, True, timeout_s)

    async def _stream(
        self,
        method: Callable[..., Any],
        feed: AsyncFeed[Any],
        read: Callable[[Any], _Answer[T]],
        has_vectors: bool,
        timeout_s: float | None,
    ) -> AsyncGenerator[T, None]:
        encoder = OneEncoder()
        num_answered = 0
        try:
            with self._lifetime.stream(method, feed, timeout_s) as call:
                async for message in call:
                    answer = read(message)
                    if has_vectors:
                        encoder.check(answer.encoder_id, num_answered)
                    for index in range(len(answer)):
                        yield answer[index]
                    num_answered += len(answer)
                    feed.answered()
        except CallError as error:
            raise feed.batches.located(error, num_answered) from error
        finally:
            feed.stop()
        if feed.failure is not None:
            raise feed.failure
