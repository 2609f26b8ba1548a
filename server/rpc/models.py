"""ModelService: what this server serves, which versions the store has, and changes of the routing table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

import grpc

from polyhead.v1 import models_pb2, models_pb2_grpc
from server.models.desk import ReleaseDesk
from server.models.manager import ModelManager
from server.rpc import releases
from server.rpc.artifact_files import report_blocking, with_lineage_blocking
from server.rpc.model_messages import release_message, served_message, state_messages, version_message
from server.rpc.pages import page
from server.rpc.requests import Limits, refuse
from shared.errors import FailedPreconditionError, NotFoundError, Violation
from shared.store.folder import FolderStore
from shared.store.releases import deleted_versions
from shared.store.versions import VersionRecord, versions_log

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """`identity` carries what never changes: code version, engine, precision, device."""

    def __init__(
        self, models: ModelManager, store: FolderStore, executor: Executor, limits: Limits, identity: dict[str, str]
    ) -> None:
        self._models = models
        self._desk = ReleaseDesk(store, models, executor)
        self._store = store
        self._versions = versions_log(store)
        self._executor = executor
        self._limits = limits
        self._identity = identity

    async def GetServerInfo(self, request: models_pb2.GetServerInfoRequest, context: Context) -> models_pb2.ServerInfo:
        models, routes = self._models, self._models.routes
        return models_pb2.ServerInfo(
            **self._identity,
            model=served_message(routes.stable, routes.stable_release) if routes.stable else None,
            limits=models_pb2.Limits(
                max_sentences_per_request=self._limits.max_sentences_per_request,
                max_sentence_bytes=self._limits.max_sentence_bytes,
                max_queue_tokens=self._limits.max_queue_tokens,
                max_message_bytes=self._limits.max_message_bytes,
                max_upload_bytes=self._limits.max_upload_bytes,
            ),
            release=len(models.releases),
            trouble=models.trouble,
            refused=[
                models_pb2.RefusedVersion(release=item.release, version=item.version, reason=item.reason)
                for item in models.failures.all()
                if not item.is_passing
            ],
            models=state_messages(models),
            routing=release_message(len(models.releases), models.releases[-1]) if models.releases else None,
        )

    async def ListVersions(
        self, request: models_pb2.ListVersionsRequest, context: Context
    ) -> models_pb2.ListVersionsResponse:
        versions = await self._all_versions()
        table = await self._desk.releases()
        gone = deleted_versions(table)
        numbers, token = page(len(versions), request.page_size, request.page_token)
        return models_pb2.ListVersionsResponse(
            versions=[version_message(number, versions[number - 1], table, gone) for number in numbers],
            next_page_token=token,
        )

    async def GetVersion(self, request: models_pb2.GetVersionRequest, context: Context) -> models_pb2.Version:
        if request.number < 1:
            refuse([Violation("number", f"is {request.number}; versions are numbered from 1")])
        record = await self._version(request.number)
        message = version_message(request.number, record, await self._desk.releases())
        return await self._off_loop(lambda: with_lineage_blocking(message, self._store, record))

    async def GetReport(self, request: models_pb2.GetReportRequest, context: Context) -> models_pb2.Report:
        if request.version < 1:
            refuse([Violation("version", f"is {request.version}; versions are numbered from 1")])
        record = await self._version(request.version)
        if request.version in deleted_versions(await self._desk.releases()):
            raise FailedPreconditionError(f"version {request.version} was deleted, and its report with it")
        return await self._off_loop(lambda: report_blocking(self._store, request.version, record))

    async def Promote(self, request: models_pb2.PromoteRequest, context: Context) -> models_pb2.Release:
        return release_message(*await self._desk.change(*releases.promotion(request)))

    async def Rollback(self, request: models_pb2.RollbackRequest, context: Context) -> models_pb2.Release:
        return release_message(*await self._desk.change(*releases.rollback(request)))

    async def SetAlias(self, request: models_pb2.SetAliasRequest, context: Context) -> models_pb2.Release:
        return release_message(*await self._desk.change(*releases.alias_change(request)))

    async def WatchReleases(
        self, request: models_pb2.WatchReleasesRequest, context: Context
    ) -> AsyncIterator[models_pb2.Release]:
        if request.after < 0:
            refuse([Violation("after", f"is {request.after}; releases are numbered from 1, and 0 is the newest")])
        async for number, record in self._desk.watch(request.after):
            yield release_message(number, record)

    async def _version(self, number: int) -> VersionRecord:
        versions = await self._all_versions()
        if number > len(versions):
            raise NotFoundError(f"there is no version {number}; the newest is {len(versions)}")
        return versions[number - 1]

    async def _all_versions(self) -> Sequence[VersionRecord]:
        return await self._off_loop(self._versions.entries)

    async def _off_loop(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)
