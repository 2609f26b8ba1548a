"""Answers as messages: arrays in, protobuf out. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from polyhead.v1 import inference_pb2
from server.batching.scheduler import Answer
from server.engines.engine import Floats
from server.models.snapshot import Snapshot
from shared.store.artifacts import TaskEntry


def predict_response(
    snapshot: Snapshot, task_indices: Sequence[int], answer: Answer, include_embedding: bool, started_s: float
) -> inference_pb2.PredictResponse:
    """One result a sentence, in order."""
    results = []
    for row, tokens in zip(answer.rows, answer.tokens, strict=True):
        result = inference_pb2.SentenceResult(
            predictions=[_prediction(snapshot, index, row.scores_C) for index in task_indices],
            token_count=len(tokens.ids),
            truncated=tokens.truncated,
        )
        if include_embedding:
            result.embedding.values.extend(shape_embedding(row.pooled_H, 0, True).tolist())
        results.append(result)
    return inference_pb2.PredictResponse(
        results=results,
        model_version=snapshot.version,
        artifact_id=snapshot.manifest.artifact_id,
        encoder_id=snapshot.manifest.encoder_id,
        timing=_timing(answer, started_s),
    )


def embed_response(
    snapshot: Snapshot, answer: Answer, dimensions: int, normalize: bool, started_s: float
) -> inference_pb2.EmbedResponse:
    """One vector a sentence, in order."""
    return inference_pb2.EmbedResponse(
        embeddings=[
            inference_pb2.SentenceEmbedding(
                values=shape_embedding(row.pooled_H, dimensions, normalize).tolist(),
                token_count=len(tokens.ids),
                truncated=tokens.truncated,
            )
            for row, tokens in zip(answer.rows, answer.tokens, strict=True)
        ],
        model_version=snapshot.version,
        artifact_id=snapshot.manifest.artifact_id,
        encoder_id=snapshot.manifest.encoder_id,
        timing=_timing(answer, started_s),
    )


def shape_embedding(pooled_H: Floats, dimensions: int, normalize: bool) -> Floats:
    """Keep the first `dimensions` (0: all), then divide by the length if asked to."""
    kept = pooled_H[:dimensions] if dimensions else pooled_H
    if not normalize:
        return kept
    unit: Floats = kept / max(float(np.linalg.norm(kept)), 1e-12)
    return unit


def _prediction(snapshot: Snapshot, index: int, scores_C: Floats) -> inference_pb2.TaskPrediction:
    task = snapshot.manifest.tasks[index]
    start = snapshot.columns.starts[index]
    scores = scores_C[start : start + len(task.labels)].tolist()
    prediction = inference_pb2.TaskPrediction(
        task=task.name,
        scores=[
            inference_pb2.LabelScore(label=label, score=score) for label, score in zip(task.labels, scores, strict=True)
        ],
    )
    if task.is_multi_label:
        prediction.labels.extend(labels_over_thresholds(task, scores))
    else:
        best = max(range(len(scores)), key=scores.__getitem__)
        prediction.label, prediction.score = task.labels[best], scores[best]
    return prediction


def labels_over_thresholds(task: TaskEntry, scores: Sequence[float]) -> list[str]:
    """The labels that a multi-label task tells; those of equal score and threshold are told."""
    return [
        label
        for label, score, threshold in zip(task.labels, scores, task.thresholds, strict=True)
        if score >= threshold
    ]


def _timing(answer: Answer, started_s: float) -> inference_pb2.Timing:
    return inference_pb2.Timing(
        tokenize_ms=answer.tokenize_s * 1e3,
        queue_ms=answer.queue_s * 1e3,
        compute_ms=answer.compute_s * 1e3,
        total_ms=(time.monotonic() - started_s) * 1e3,
    )
