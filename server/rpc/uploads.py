"""Files off the wire into the store: checks of the header, parts as they come, the hash at the end.

Runs on the event loop; every touch of the store goes off it. What came of an upload that is cut stays, in whole parts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from polyhead.v1 import training_pb2
from server.rpc.timestamps import timestamp
from shared.errors import InvalidInputError, NotFoundError, Violation
from shared.spec import DatasetReference, parse_reference
from shared.store.datasets import SHA256, DatasetRecord, DatasetStore

T = TypeVar("T")


class OffLoop(Protocol):
    """Runs a blocking call in a thread."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]: ...


async def receive(
    requests: AsyncIterator[training_pb2.UploadDatasetRequest],
    datasets: DatasetStore,
    max_bytes: int,
    off_loop: OffLoop,
) -> DatasetRecord:
    """Take one upload in.

    Raises:
        InvalidInputError: if header and bytes do not fit each other, the limit, or what is there.
        StoreError: if the store cannot be written.
    """
    header = await _header(requests)
    _refuse(list(_header_violations(header, max_bytes)))
    there = await off_loop(lambda: datasets.find(header.sha256))
    if there is not None:
        return there
    received = await off_loop(lambda: datasets.received(header.sha256))
    if header.offset > received or (header.offset % datasets.part_bytes and header.offset != header.size_bytes):
        _refuse([Violation("header.offset", f"is {header.offset}; begin at {received}, the first that is missing")])
    number, waiting, position = header.offset // datasets.part_bytes, bytearray(), header.offset
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            _refuse([Violation("header", "comes once, as the first message; the others are chunks")])
        position += len(request.chunk)
        if position > header.size_bytes:
            _refuse([Violation("chunk", f"is more than the {header.size_bytes} bytes that the header says")])
        waiting += request.chunk
        while len(waiting) >= datasets.part_bytes:
            body = bytes(waiting[: datasets.part_bytes])
            await off_loop(partial(datasets.put_part, header.sha256, number, body))
            del waiting[: datasets.part_bytes]
            number += 1
    if position < header.size_bytes:
        problem = f"end at {position} of {header.size_bytes} bytes; what came is kept, go on where GetDataset says"
        _refuse([Violation("chunk", problem)])
    if waiting:
        await off_loop(lambda: datasets.put_part(header.sha256, number, bytes(waiting)))
    return await off_loop(lambda: datasets.finish(header.sha256, header.size_bytes, header.file_name))


async def _header(requests: AsyncIterator[training_pb2.UploadDatasetRequest]) -> training_pb2.DatasetHeader:
    async for request in requests:
        if request.WhichOneof("part") == "header":
            return request.header
        break
    raise InvalidInputError("header must be the first message", (Violation("header", "must be the first message"),))


def _header_violations(header: training_pb2.DatasetHeader, max_bytes: int) -> Iterator[Violation]:
    if not SHA256.fullmatch(header.sha256):
        yield Violation("header.sha256", f"needs 64 hexadecimal digits in lower case (got {header.sha256[:80]!r})")
    if header.size_bytes < 1:
        yield Violation("header.size_bytes", f"is {header.size_bytes}; an empty file has no rows")
    elif header.size_bytes > max_bytes:
        problem = f"is {header.size_bytes}; this server takes {max_bytes} (setting SERVER_MAX_UPLOAD_BYTES)"
        yield Violation("header.size_bytes", problem)
    if header.offset < 0:
        yield Violation("header.offset", f"is {header.offset}")
    try:
        parse_reference(str(DatasetReference("0" * 64, header.file_name)))
    except ValueError:
        problem = f"needs 1 to 200 characters without / and control characters (got {header.file_name[:80]!r})"
        yield Violation("header.file_name", problem)


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise InvalidInputError("; ".join(f"{v.field} {v.description}" for v in violations), tuple(violations))


def describe_blocking(datasets: DatasetStore, sha256: str) -> training_pb2.Dataset:
    """How much of a file is there.

    Raises:
        InvalidInputError: if `sha256` is none.
        NotFoundError: if nothing is there.
    """
    if not SHA256.fullmatch(sha256):
        _refuse([Violation("sha256", f"needs 64 hexadecimal digits in lower case (got {sha256[:80]!r})")])
    record = datasets.find(sha256)
    if record is not None:
        return dataset_message(record)
    received = datasets.received(sha256)
    if not received:
        raise NotFoundError(f"dataset {sha256} is not in the store")
    return training_pb2.Dataset(sha256=sha256, received_bytes=received)


def dataset_message(record: DatasetRecord) -> training_pb2.Dataset:
    return training_pb2.Dataset(
        sha256=record.sha256,
        size_bytes=record.size,
        file_name=record.file_name,
        received_bytes=record.size,
        complete=True,
        created_at=timestamp(record.created_at),
    )


def missing_blocking(datasets: DatasetStore, spec: Mapping[str, Any]) -> list[Violation]:
    """A violation for each uploaded file that the spec names and the store does not have. Skips what is malformed."""
    found = []
    for index, task in enumerate(spec.get("tasks", ())):
        for part in ("train", "validation", "test"):
            try:
                reference = parse_reference(task.get("data", {}).get(part, ""))
            except ValueError:  # a violation of the spec's own
                continue
            if reference is not None and datasets.find(reference.sha256) is None:
                problem = f"{reference} is not in the store; upload it first (polyhead data upload)"
                found.append(Violation(f"tasks[{index}].data.{part}", problem))
    return found
