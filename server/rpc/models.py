"""ModelService: what this server serves, and which versions the store has."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any

import grpc

from polyhead.specs import to_struct
from polyhead.v1 import models_pb2, models_pb2_grpc
from server.models.manager import ModelManager
from server.models.snapshot import Snapshot
from server.rpc.pages import page
from server.rpc.requests import Limits
from server.rpc.timestamps import timestamp
from shared.store.folder import FolderStore
from shared.store.releases import releases_log
from shared.store.versions import VersionRecord, versions_log

Context = grpc.aio.ServicerContext[Any, Any]


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """`identity` carries what never changes: code version, engine, precision, device."""

    def __init__(
        self, models: ModelManager, store: FolderStore, executor: Executor, limits: Limits, identity: dict[str, str]
    ) -> None:
        self._models = models
        self._versions = versions_log(store)
        self._releases = releases_log(store)
        self._executor = executor
        self._limits = limits
        self._identity = identity

    async def GetServerInfo(self, request: models_pb2.GetServerInfoRequest, context: Context) -> models_pb2.ServerInfo:
        serving = self._models.serving
        return models_pb2.ServerInfo(
            **self._identity,
            model=_served(*serving) if serving else None,
            limits=models_pb2.Limits(
                max_sentences_per_request=self._limits.max_sentences_per_request,
                max_sentence_bytes=self._limits.max_sentence_bytes,
                max_queue_tokens=self._limits.max_queue_tokens,
                max_message_bytes=self._limits.max_message_bytes,
            ),
            release=self._models.newest_release,
            trouble=self._models.trouble,
            refused=[
                models_pb2.RefusedVersion(release=item.release, version=item.version, reason=item.reason)
                for item in self._models.refusals.values()
            ],
        )

    async def ListVersions(
        self, request: models_pb2.ListVersionsRequest, context: Context
    ) -> models_pb2.ListVersionsResponse:
        loop = asyncio.get_running_loop()
        versions = await loop.run_in_executor(self._executor, self._versions.entries)
        releases = await loop.run_in_executor(self._executor, self._releases.entries)
        stable = releases[-1].stable if releases else 0
        numbers, token = page(len(versions), request.page_size, request.page_token)
        return models_pb2.ListVersionsResponse(
            versions=[_version(number, versions[number - 1], number == stable) for number in numbers],
            next_page_token=token,
        )


def _served(snapshot: Snapshot, release: int) -> models_pb2.ServedModel:
    manifest = snapshot.manifest
    return models_pb2.ServedModel(
        version=snapshot.version,
        artifact_id=manifest.artifact_id,
        encoder_id=manifest.encoder_id,
        base_model=manifest.base_model,
        tasks=[models_pb2.TaskInfo(name=task.name, labels=task.labels) for task in manifest.tasks],
        dimensions=manifest.dimensions,
        max_tokens=manifest.max_tokens,
        release=release,
    )


def _version(number: int, record: VersionRecord, is_stable: bool) -> models_pb2.Version:
    return models_pb2.Version(
        number=number,
        artifact_id=record.artifact_id,
        manifest_sha256=record.manifest_sha256,
        parent=record.parent or 0,
        job_id=record.job_id,
        created_at=timestamp(record.created_at),
        metrics=to_struct(record.metrics),
        verdict=record.verdict,
        is_stable=is_stable,
    )
