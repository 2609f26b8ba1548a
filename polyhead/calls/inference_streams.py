"""Calls of the InferenceService that stream: any number of sentences, results as they come."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol, TypeVar

from polyhead import readers, requests, results
from polyhead.calls.connection import Connection
from polyhead.errors import CallError
from polyhead.streams.batches import DEFAULT_BATCH_SIZE, Batches, OneEncoder
from polyhead.streams.feed import Feed
from polyhead.timeouts import check_optional_timeout

T = TypeVar("T", covariant=True)


class _Answer(Protocol[T]):
    """PredictResult or EmbedResult."""

    @property
    def encoder_id(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> T: ...


class InferenceStreamCalls(Connection):
    """PredictStream and EmbedStream."""

    def predict_stream(
        self,
        sentences: Iterable[str],
        *,
        tasks: Iterable[str] = (),
        include_embedding: bool = False,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        model: requests.ModelName = None,
        routing_key: str = "",
        batch_size: int = DEFAULT_BATCH_SIZE,
        timeout_s: float | None = None,
    ) -> Generator[results.SentenceResult, None, None]:
        """Classify any number of sentences, also without end; yields their results one by one, in order.

        `sentences` is read in a thread of its own. Reads ahead a few hundred sentences at
        most, `batch_size` in one message; of sentences that come slowly, 1 answers each at once. Leaving the loop
        ends the call. A stream has no deadline unless `timeout_s` is given, is not tried again, and its parts may be
        of different versions. Errors name the sentence, counted from 0, after the results of those before it.
        """
        timeout_s = check_optional_timeout(timeout_s)
        form = requests.predict_request((), tasks, include_embedding, expect_encoder_id, truncation, model, routing_key)
        feed = Feed(sentences, Batches(form, batch_size))
        return self._stream(self._inference.PredictStream, feed, readers.read_predictions, include_embedding, timeout_s)

    def embed_stream(
        self,
        sentences: Iterable[str],
        *,
        normalize: bool = True,
        dimensions: int = 0,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        model: requests.ModelName = None,
        routing_key: str = "",
        batch_size: int = DEFAULT_BATCH_SIZE,
        timeout_s: float | None = None,
    ) -> Generator[results.SentenceEmbedding, None, None]:
        """Embed any number of sentences, also without end; otherwise as `predict_stream`.

        Raises:
            FailedPreconditionError: if a model with another encoder is released meanwhile: vectors would not compare.
        """
        timeout_s = check_optional_timeout(timeout_s)
        form = requests.embed_request((), normalize, dimensions, expect_encoder_id, truncation, model, routing_key)
        feed = Feed(sentences, Batches(form, batch_size))
        return self._stream(self._inference.EmbedStream, feed, readers.read_embeddings, True, timeout_s)

    def _stream(
        self,
        method: Callable[..., Any],
        feed: Feed[Any],
        read: Callable[[Any], _Answer[T]],
        has_vectors: bool,
        timeout_s: float | None,
    ) -> Generator[T, None, None]:
        encoder = OneEncoder()
        num_answered = 0
        try:
            with self._lifetime.stream(method, feed, timeout_s) as call:
                for message in call:
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
