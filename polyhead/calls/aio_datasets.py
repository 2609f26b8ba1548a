"""Calls of the TrainingService that bring files, asyncio: upload, look, list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from os import PathLike
from typing import Any, cast

from polyhead import readers, requests, results
from polyhead.calls.aio_connection import AsyncConnection
from polyhead.errors import InvalidArgumentError, NotFoundError
from polyhead.local_file import LocalFile, OnProgress, hash_file
from polyhead.timeouts import check_optional_timeout, grpc_timeout
from polyhead.v1 import training_pb2


class AsyncDatasetCalls(AsyncConnection):
    """Files to train on."""

    async def upload_dataset(
        self, path: str | PathLike[str], *, on_progress: OnProgress | None = None, timeout_s: float | None = None
    ) -> results.Dataset:
        """Put a file into the server's store; `reference` of the answer names it in a job spec.

        Sends only what is not there yet: nothing for a file that is known, the rest for an upload that was cut. Lasts
        as long as it must, unless `timeout_s` is given; what came until then is kept. `on_progress` is called on the
        event loop.

        Raises:
            OSError: if the file cannot be read.
            InvalidArgumentError: if it is empty, or larger than the server takes.
        """
        timeout_s = check_optional_timeout(timeout_s)
        file = await asyncio.to_thread(hash_file, path)
        try:
            there = await self.get_dataset(file.sha256)
            offset, is_complete = there.received_bytes, there.complete
        except NotFoundError:
            offset, is_complete = 0, False
        if is_complete:
            return replace(there, file_name=file.path.name)
        try:
            return await self._upload(file, offset, on_progress, timeout_s)
        except InvalidArgumentError as error:
            if not (offset and requests.is_hash_refused(error)):
                raise
            # The parts that were there are not of this file; the server has removed them.
            return await self._upload(file, 0, on_progress, timeout_s)

    async def get_dataset(self, sha256: str, *, timeout_s: float | None = None) -> results.Dataset:
        """How much of a file is there.

        Raises:
            NotFoundError: if nothing is.
        """
        request = requests.dataset_request(sha256)
        return readers.read_dataset(await self._call(self._training.GetDataset, request, timeout_s))

    async def list_datasets(self, limit: int = 50, *, timeout_s: float | None = None) -> list[results.Dataset]:
        """Files that are whole, newest first."""
        pages = requests.dataset_pages(limit)
        while not pages.is_full:
            request = training_pb2.ListDatasetsRequest(**pages.next_page())
            pages.add(await self._call(self._training.ListDatasets, request, timeout_s))
        return [readers.read_dataset(dataset) for dataset in pages.items]

    async def _upload(
        self, file: LocalFile, offset: int, on_progress: OnProgress | None, timeout_s: float | None
    ) -> results.Dataset:
        messages = _off_loop(file, offset, on_progress)
        with self._lifetime.call(timeout_s):
            answer = await cast(Any, self._training.UploadDataset)(messages, timeout=grpc_timeout(timeout_s))
        return replace(readers.read_dataset(answer), file_name=file.path.name)


async def _off_loop(
    file: LocalFile, offset: int, on_progress: OnProgress | None
) -> AsyncIterator[training_pb2.UploadDatasetRequest]:
    """The messages, read in a thread: a disk may be slow."""
    messages = file.messages(offset, None)
    while (message := await asyncio.to_thread(next, messages, None)) is not None:
        yield message
        offset += len(message.chunk)
        if on_progress is not None and message.chunk:
            on_progress(offset, file.size_bytes)
