"""Predictions and embeddings off the wire."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from polyhead import results
from polyhead.v1 import inference_pb2


def read_predictions(message: inference_pb2.PredictResponse) -> results.PredictResult:
    return results.PredictResult(
        results=tuple(_sentence(item) for item in message.results),
        model_version=message.model_version,
        artifact_id=message.artifact_id,
        encoder_id=message.encoder_id,
        timing=_timing(message.timing),
    )


def read_embeddings(message: inference_pb2.EmbedResponse) -> results.EmbedResult:
    return results.EmbedResult(
        embeddings=tuple(
            results.SentenceEmbedding(_vector(item.values), item.token_count, item.truncated)
            for item in message.embeddings
        ),
        model_version=message.model_version,
        artifact_id=message.artifact_id,
        encoder_id=message.encoder_id,
        timing=_timing(message.timing),
    )


def _sentence(message: inference_pb2.SentenceResult) -> results.SentenceResult:
    return results.SentenceResult(
        predictions={
            item.task: results.Prediction(
                task=item.task,
                label=item.label,
                score=item.score,
                scores={score.label: score.score for score in item.scores},
                labels=(item.label,) if item.label else tuple(item.labels),
            )
            for item in message.predictions
        },
        embedding=_vector(message.embedding.values) if message.HasField("embedding") else None,
        token_count=message.token_count,
        truncated=message.truncated,
    )


def _timing(message: inference_pb2.Timing) -> results.Timing:
    return results.Timing(message.tokenize_ms, message.queue_ms, message.compute_ms, message.total_ms)


def _vector(values: Sequence[float]) -> array[float]:
    return array("f", values)
