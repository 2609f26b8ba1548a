"""Wire messages -> polyhead.results. Pure functions; the sync and the async client share them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from polyhead import results
from polyhead.specs import from_struct, message_to_spec
from polyhead.v1 import inference_pb2, models_pb2, training_pb2


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


def read_job(message: training_pb2.Job) -> results.Job:
    state = training_pb2.JobState.Name(message.state) if message.state in training_pb2.JobState.values() else ""
    name = state.removeprefix("JOB_STATE_")
    return results.Job(
        id=message.id,
        request_id=message.request_id,
        state=results.JobState.__members__.get(name, results.JobState.UNKNOWN),
        attempt=message.attempt,
        submitted_at=_time(message.submitted_at) if message.HasField("submitted_at") else None,
        finished_at=_time(message.finished_at) if message.HasField("finished_at") else None,
        spec=message_to_spec(message.spec),
        progress=_progress(message.progress) if message.HasField("progress") else None,
        metrics=from_struct(message.metrics),
        report=from_struct(message.report),
        version=message.version,
        error=results.JobError(message.error.code, message.error.message) if message.HasField("error") else None,
    )


def read_submitted(message: training_pb2.TrainJobResponse) -> results.Job | None:
    """The accepted job; None if the spec was only validated."""
    return read_job(message.job) if message.HasField("job") else None


def read_server_info(message: models_pb2.ServerInfo) -> results.ServerInfo:
    return results.ServerInfo(
        server_version=message.server_version,
        model=_served(message.model) if message.HasField("model") else None,
        limits=results.Limits(
            max_sentences_per_request=message.limits.max_sentences_per_request,
            max_sentence_bytes=message.limits.max_sentence_bytes,
            max_queue_tokens=message.limits.max_queue_tokens,
            max_message_bytes=message.limits.max_message_bytes,
        ),
        engine=message.engine,
        precision=message.precision,
        device=message.device,
        release=message.release,
        refused=tuple(results.RefusedVersion(item.release, item.version, item.reason) for item in message.refused),
        trouble=message.trouble,
    )


def read_version(message: models_pb2.Version) -> results.Version:
    return results.Version(
        number=message.number,
        artifact_id=message.artifact_id,
        manifest_sha256=message.manifest_sha256,
        parent=message.parent,
        job_id=message.job_id,
        created_at=_time(message.created_at) if message.HasField("created_at") else None,
        metrics=from_struct(message.metrics),
        verdict=message.verdict,
        is_stable=message.is_stable,
    )


def _sentence(message: inference_pb2.SentenceResult) -> results.SentenceResult:
    return results.SentenceResult(
        predictions={
            item.task: results.Prediction(
                task=item.task,
                label=item.label,
                score=item.score,
                scores={score.label: score.score for score in item.scores},
            )
            for item in message.predictions
        },
        embedding=_vector(message.embedding.values) if message.HasField("embedding") else None,
        token_count=message.token_count,
        truncated=message.truncated,
    )


def _served(message: models_pb2.ServedModel) -> results.ServedModel:
    return results.ServedModel(
        version=message.version,
        artifact_id=message.artifact_id,
        encoder_id=message.encoder_id,
        base_model=message.base_model,
        tasks=tuple(results.TaskInfo(task.name, tuple(task.labels)) for task in message.tasks),
        dimensions=message.dimensions,
        max_tokens=message.max_tokens,
        release=message.release,
    )


def _progress(message: training_pb2.JobProgress) -> results.JobProgress:
    return results.JobProgress(
        stage=message.stage,
        step=message.step,
        steps=message.steps,
        epoch=message.epoch,
        loss_by_task=dict(message.loss_by_task),
        examples_per_s=message.examples_per_s,
        eta_s=message.eta_s,
    )


def _timing(message: inference_pb2.Timing) -> results.Timing:
    return results.Timing(message.tokenize_ms, message.queue_ms, message.compute_ms, message.total_ms)


def _vector(values: Sequence[float]) -> array[float]:
    return array("f", values)


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
