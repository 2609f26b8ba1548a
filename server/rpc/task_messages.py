"""A task as a message. Pure."""

from __future__ import annotations

from polyhead.v1 import models_pb2, tasks_pb2
from shared.store.artifacts import TaskEntry


def task_info(task: TaskEntry) -> models_pb2.TaskInfo:
    """What clients may know of a head."""
    kind = tasks_pb2.TASK_KIND_MULTI_LABEL if task.is_multi_label else tasks_pb2.TASK_KIND_SINGLE_LABEL
    return models_pb2.TaskInfo(name=task.name, labels=task.labels, kind=kind, thresholds=task.thresholds)
