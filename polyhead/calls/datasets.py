"""Calls of the TrainingService that bring files: upload, look, list."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from polyhead import readers, requests, results
from polyhead.calls.connection import Connection
from polyhead.errors import InvalidArgumentError, NotFoundError
from polyhead.local_file import LocalFile, OnProgress, hash_file
from polyhead.timeouts import check_optional_timeout, grpc_timeout
from polyhead.v1 import training_pb2


class DatasetCalls(Connection):
    """Files to train on."""

    def upload_dataset(
        self, path: str | PathLike[str], *, on_progress: OnProgress | None = None, timeout_s: float | None = None
    ) -> results.Dataset:
        """Put a file into the server's store; `reference` of the answer names it in a job spec.

        Sends only what is not there yet: nothing for a file that is known, the rest for an upload that was cut. Lasts
        as long as it must, unless `timeout_s` is given; what came until then is kept.

        Raises:
            OSError: if the file cannot be read.
            InvalidArgumentError: if it is empty, or larger than the server takes.
        """
        timeout_s = check_optional_timeout(timeout_s)
        file = hash_file(path)
        try:
            there = self.get_dataset(file.sha256)
            offset, is_complete = there.received_bytes, there.complete
        except NotFoundError:
            offset, is_complete = 0, False
        if is_complete:
            return replace(there, file_name=file.path.name)
        try:
            return self._upload(file, offset, on_progress, timeout_s)
        except InvalidArgumentError as error:
            if not (offset and requests.is_hash_refused(error)):
                raise
            # The parts that were there are not of this file; the server has removed them.
            return self._upload(file, 0, on_progress, timeout_s)

    def get_dataset(self, sha256: str, *, timeout_s: float | None = None) -> results.Dataset:
        """How much of a file is there.

        Raises:
            NotFoundError: if nothing is.
        """
        request = requests.dataset_request(sha256)
        return readers.read_dataset(self._call(self._training.GetDataset, request, timeout_s))

    def list_datasets(self, limit: int = 50, *, timeout_s: float | None = None) -> list[results.Dataset]:
        """Files that are whole, newest first."""
        pages = requests.dataset_pages(limit)
        while not pages.is_full:
            request = training_pb2.ListDatasetsRequest(**pages.next_page())
            pages.add(self._call(self._training.ListDatasets, request, timeout_s))
        return [readers.read_dataset(dataset) for dataset in pages.items]

    def _upload(
        self, file: LocalFile, offset: int, on_progress: OnProgress | None, timeout_s: float | None
    ) -> results.Dataset:
        with self._lifetime.call(timeout_s):
            answer = self._training.UploadDataset(file.messages(offset, on_progress), timeout=grpc_timeout(timeout_s))
        return replace(readers.read_dataset(answer), file_name=file.path.name)
