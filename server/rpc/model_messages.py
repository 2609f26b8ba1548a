"""Models, versions and releases as messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from polyhead.specs import to_struct
from polyhead.v1 import models_pb2
from server.models.manager import ModelManager
from server.models.snapshot import Snapshot
from server.rpc.task_messages import task_info
from server.rpc.timestamps import timestamp
from shared.store.artifacts import Manifest
from shared.store.releases import ReleaseRecord, deleted_versions
from shared.store.versions import VersionRecord

State = models_pb2.ModelState


def served_message(snapshot: Snapshot, release: int) -> models_pb2.ServedModel:
    manifest = snapshot.manifest
    return models_pb2.ServedModel(
        version=snapshot.version,
        artifact_id=manifest.artifact_id,
        encoder_id=manifest.encoder_id,
        base_model=manifest.base_model,
        tasks=_tasks(manifest),
        dimensions=manifest.dimensions,
        max_tokens=manifest.max_tokens,
        release=release,
    )


def state_messages(models: ModelManager) -> list[models_pb2.ModelState]:
    """Each version that the newest release names, or that serves, or that was refused; lowest number first."""
    serving = models.routes.snapshots()
    named = models.releases[-1].versions() if models.releases else set()
    failed = {failure.version for failure in models.failures.all()}
    return [_state(version, models, serving.get(version)) for version in sorted(named | failed | set(serving))]


def _state(version: int, models: ModelManager, snapshot: Snapshot | None) -> models_pb2.ModelState:
    failure = models.failures.get(version)
    message = models_pb2.ModelState(version=version, roles=models.routes.roles_of(version), state=State.LOADING)
    if snapshot is not None:
        message.state = State.LOADED
        message.artifact_id = snapshot.manifest.artifact_id
        message.encoder_id = snapshot.manifest.encoder_id
        message.tasks.extend(_tasks(snapshot.manifest))
    elif failure is not None:
        message.state = State.FAILED if failure.is_passing else State.REFUSED
        message.reason = failure.reason
    return message


def version_message(
    number: int, record: VersionRecord, releases: Sequence[ReleaseRecord], gone: set[int] | None = None
) -> models_pb2.Version:
    newest = releases[-1] if releases else None
    canary = newest.canary if newest else None
    return models_pb2.Version(
        number=number,
        artifact_id=record.artifact_id,
        manifest_sha256=record.manifest_sha256,
        parent=record.parent or 0,
        job_id=record.job_id,
        created_at=timestamp(record.created_at),
        metrics=to_struct(record.metrics),
        verdict=record.verdict,
        is_stable=newest is not None and newest.stable == number,
        aliases=sorted(name for name, version in newest.aliases.items() if version == number) if newest else (),
        canary_share=canary.share if canary and canary.version == number else 0.0,
        is_deleted=number in (deleted_versions(releases) if gone is None else gone),
    )


def release_message(number: int, record: ReleaseRecord) -> models_pb2.Release:
    canary = record.canary
    return models_pb2.Release(
        number=number,
        stable=record.stable,
        aliases=record.aliases,
        canary=models_pb2.Canary(version=canary.version, share=canary.share) if canary else None,
        hold=record.hold,
        why=record.why,
        by=record.by,
        change=record.change,
        job_id=record.job_id,
        request_id=record.request_id,
        verdict=record.verdict,
        judged_against=record.judged_against or 0,
        created_at=timestamp(record.created_at),
        deleted=record.deleted or 0,
    )


def _tasks(manifest: Manifest) -> list[models_pb2.TaskInfo]:
    return [task_info(task) for task in manifest.tasks]
