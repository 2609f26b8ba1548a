"""What a job that continues from a version takes over from it, and what stands against it. Pure; imports no torch.

Server and worker ask the same questions: the server before it accepts the job, the worker before it trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import CorruptArtifactError, InvalidInputError, Violation
from shared.spec import JobSpec, TaskSpec
from shared.spec.base import ENCODER_FROZEN
from shared.spec.part import sequence
from shared.store.artifacts import ArtifactReader, TaskEntry
from shared.store.folder import FolderStore
from shared.store.releases import deleted_versions, releases_log
from shared.store.versions import versions_log


def open_parent(store: FolderStore, version: int) -> ArtifactReader:
    """The artifact of a version that a job is to continue from.

    Raises:
        InvalidInputError: if there is no such version, or it was deleted; with the violation of `base.version`.
        StoreError: if the store cannot be read.
    """
    versions = versions_log(store).entries()
    if version > len(versions):
        raise _refusal(f"is {version}, but there is no such version; the newest is {len(versions)}")
    if version in deleted_versions(releases_log(store).entries()):
        raise _refusal(f"is {version}, but that version was deleted; name another one")
    record = versions[version - 1]
    try:
        return ArtifactReader(store, record.artifact_id, record.manifest_sha256)
    except CorruptArtifactError as error:
        raise _refusal(f"is {version}, but that version cannot be read: {error}") from None


def carried_tasks(spec: JobSpec, parent: Sequence[TaskEntry]) -> list[TaskEntry]:
    """Tasks of the parent that the new model has besides the job's, with their heads as they are."""
    named = {task.name for task in spec.tasks}
    return [entry for entry in parent if entry.name not in named] if spec.base.carry else []


def is_continued(task: TaskSpec, parent: Sequence[TaskEntry]) -> bool:
    """Whether the task's head starts from the parent's: only if the outputs mean the same."""
    return any((entry.name, entry.kind, entry.labels) == (task.name, task.kind, task.labels) for entry in parent)


def base_violations(store: FolderStore, body: Mapping[str, Any]) -> list[Violation]:
    """What stands against continuing as the plain spec `body` says; nothing if it does not. Skips what is malformed.

    Raises:
        StoreError: if the store cannot be read.
    """
    base, freeze = body.get("base"), body.get("freeze")
    version = base.get("version") if isinstance(base, Mapping) else None
    if not isinstance(base, Mapping) or not isinstance(version, int) or version <= 0:
        return []
    try:
        parent = open_parent(store, version).manifest.tasks
    except InvalidInputError as error:
        return list(error.violations)
    if base.get("carry", True) is not True:
        return []
    named = [task.get("name") for task in sequence(body.get("tasks")) if isinstance(task, Mapping)]
    policy = freeze.get("policy", "none") if isinstance(freeze, Mapping) else "none"
    return _carrying(version, policy, [entry.name for entry in parent if entry.name not in named])


def require_fit(spec: JobSpec, parent: Sequence[TaskEntry]) -> None:
    """
    Raises:
        InvalidInputError: if the parent's other tasks are to be carried, and cannot be.
    """
    found = _carrying(spec.base.version, spec.freeze.policy, [entry.name for entry in carried_tasks(spec, parent)])
    if found:
        raise InvalidInputError(f"{found[0].field}: {found[0].description}", tuple(found))


def _carrying(version: int, policy: str, carried: Sequence[str]) -> list[Violation]:
    if not carried or policy in ENCODER_FROZEN:
        return []
    return [
        Violation(
            "base.carry",
            f"version {version} also has {', '.join(carried)}, and heads cannot be kept while the encoder is trained: "
            "name these tasks in this job too, set freeze.policy to backbone, or give them up with base.carry: false",
        )
    ]


def _refusal(description: str) -> InvalidInputError:
    return InvalidInputError(f"base.version {description}", (Violation("base.version", description),))
