"""What a server says of itself and of versions, off the wire."""

from __future__ import annotations

from polyhead import results
from polyhead.readers.times import read_time
from polyhead.specs import from_struct
from polyhead.v1 import models_pb2, tasks_pb2


def read_server_info(message: models_pb2.ServerInfo) -> results.ServerInfo:
    return results.ServerInfo(
        server_version=message.server_version,
        model=_served(message.model) if message.HasField("model") else None,
        limits=results.Limits(
            max_sentences_per_request=message.limits.max_sentences_per_request,
            max_sentence_bytes=message.limits.max_sentence_bytes,
            max_queue_tokens=message.limits.max_queue_tokens,
            max_message_bytes=message.limits.max_message_bytes,
            max_upload_bytes=message.limits.max_upload_bytes,
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
        created_at=read_time(message.created_at) if message.HasField("created_at") else None,
        metrics=from_struct(message.metrics),
        lineage=from_struct(message.lineage),
        verdict=message.verdict,
        is_stable=message.is_stable,
        aliases=tuple(message.aliases),
    )


def _served(message: models_pb2.ServedModel) -> results.ServedModel:
    return results.ServedModel(
        version=message.version,
        artifact_id=message.artifact_id,
        encoder_id=message.encoder_id,
        base_model=message.base_model,
        tasks=tuple(_task(task) for task in message.tasks),
        dimensions=message.dimensions,
        max_tokens=message.max_tokens,
        release=message.release,
    )


def _task(message: models_pb2.TaskInfo) -> results.TaskInfo:
    is_multi_label = message.kind == tasks_pb2.TASK_KIND_MULTI_LABEL
    return results.TaskInfo(
        name=message.name,
        labels=tuple(message.labels),
        kind="multi_label" if is_multi_label else "single_label",
        thresholds=tuple(message.thresholds),
    )
