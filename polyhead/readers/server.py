"""What a server says of itself and of versions, off the wire."""

from __future__ import annotations

from collections.abc import Iterable

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
        models=tuple(_state(item) for item in message.models),
        routing=read_release(message.routing) if message.HasField("routing") else None,
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
        canary_share=message.canary_share,
        is_deleted=message.is_deleted,
    )


def read_release(message: models_pb2.Release) -> results.Release:
    canary = message.canary
    return results.Release(
        number=message.number,
        stable=message.stable,
        aliases=dict(sorted(message.aliases.items())),
        canary=results.Canary(canary.version, canary.share) if message.HasField("canary") else None,
        hold=message.hold,
        why=message.why,
        by=message.by,
        change=message.change,
        job_id=message.job_id,
        request_id=message.request_id,
        verdict=message.verdict,
        judged_against=message.judged_against,
        created_at=read_time(message.created_at) if message.HasField("created_at") else None,
        deleted=message.deleted,
    )


def _state(message: models_pb2.ModelState) -> results.ModelState:
    known = models_pb2.ModelState.State
    name = known.Name(message.state) if message.state in known.values() else ""
    return results.ModelState(
        version=message.version,
        state=results.LoadState.__members__.get(name, results.LoadState.UNKNOWN),
        reason=message.reason,
        roles=tuple(message.roles),
        artifact_id=message.artifact_id,
        encoder_id=message.encoder_id,
        tasks=_tasks(message.tasks),
    )


def _tasks(messages: Iterable[models_pb2.TaskInfo]) -> tuple[results.TaskInfo, ...]:
    return tuple(_task(task) for task in messages)


def _served(message: models_pb2.ServedModel) -> results.ServedModel:
    return results.ServedModel(
        version=message.version,
        artifact_id=message.artifact_id,
        encoder_id=message.encoder_id,
        base_model=message.base_model,
        tasks=_tasks(message.tasks),
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
