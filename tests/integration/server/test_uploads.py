"""Files over a real socket into the store: whole, cut and resumed, twice at once, refused with all reasons."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from polyhead import AsyncClient, Client
from polyhead.errors import DeadlineExceededError, InvalidArgumentError, NotFoundError
from polyhead.statuses import translated
from polyhead.v1 import training_pb2
from polyhead.v1.training_pb2_grpc import TrainingServiceStub
from shared.store.datasets import PART_BYTES, DatasetStore
from shared.store.folder import FolderStore
from tests.conftest import RunningServer, running_server

#: Two whole parts and the beginning of a third.
BODY = bytes(range(256)) * ((2 * PART_BYTES + 1000) // 256)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "big.csv"
    path.write_bytes(BODY)
    return path


@pytest.fixture
async def client(server: RunningServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.target) as client:
        yield client


def header(**fields: Any) -> training_pb2.UploadDatasetRequest:
    given = {"sha256": SHA256, "size_bytes": len(BODY), "file_name": "big.csv"} | fields
    return training_pb2.UploadDatasetRequest(header=training_pb2.DatasetHeader(**given))


def chunk(body: bytes) -> training_pb2.UploadDatasetRequest:
    return training_pb2.UploadDatasetRequest(chunk=body)


async def send(server: RunningServer, *messages: training_pb2.UploadDatasetRequest) -> training_pb2.Dataset:
    with translated(server.target):
        return await TrainingServiceStub(server.channel).UploadDataset(iter(messages))  # type: ignore[no-any-return]


async def test_file_arrives_whole_and_is_sent_once(server: RunningServer, client: AsyncClient, file: Path) -> None:
    """The second upload of what is there sends nothing, and keeps the name that this caller knows the file by."""
    told: list[tuple[int, int]] = []
    dataset = await client.upload_dataset(file, on_progress=lambda *done: told.append(done))
    assert (dataset.sha256, dataset.size_bytes, dataset.complete) == (SHA256, len(BODY), True)
    assert dataset.reference == f"dataset:{SHA256}/big.csv"
    assert told[-1] == (len(BODY), len(BODY))
    assert DatasetStore(server.store).read(SHA256) == BODY
    told.clear()
    again = await client.upload_dataset(file.rename(file.with_name("same.csv")), on_progress=lambda *d: told.append(d))
    assert told == []
    assert again.reference.endswith("/same.csv")
    assert [found.file_name for found in await client.list_datasets()] == ["big.csv"]


async def test_upload_that_is_cut_goes_on_where_it_ended(
    server: RunningServer, client: AsyncClient, file: Path
) -> None:
    """A big file over a bad line must get through; what came in whole parts is not sent again."""
    both_parts_sent = asyncio.Event()

    async def messages() -> AsyncIterator[training_pb2.UploadDatasetRequest]:
        yield header()
        for start in range(0, 2 * PART_BYTES, PART_BYTES // 2):
            yield chunk(BODY[start : start + PART_BYTES // 2])
        yield chunk(BODY[2 * PART_BYTES : -1])
        both_parts_sent.set()
        await asyncio.Event().wait()

    call = TrainingServiceStub(server.channel).UploadDataset(messages())
    await both_parts_sent.wait()
    datasets = DatasetStore(server.store)
    async with asyncio.timeout(60):
        while datasets.received(SHA256) < 2 * PART_BYTES:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    call.cancel()
    there = await client.get_dataset(SHA256)
    assert (there.received_bytes, there.complete) == (2 * PART_BYTES, False)
    told: list[int] = []
    assert (await client.upload_dataset(file, on_progress=lambda done, _: told.append(done))).complete
    assert min(told) > 2 * PART_BYTES
    assert datasets.read(SHA256) == BODY


async def test_two_uploads_of_one_file_at_once_both_succeed(
    server: RunningServer, client: AsyncClient, file: Path
) -> None:
    """Two people with the same export."""
    found = await asyncio.gather(*(client.upload_dataset(file) for _ in range(3)))
    assert {dataset.sha256 for dataset in found} == {SHA256}
    assert DatasetStore(server.store).read(SHA256) == BODY


async def test_bytes_of_another_hash_are_refused_and_the_true_file_gets_through(
    server: RunningServer, client: AsyncClient, file: Path
) -> None:
    """Somebody's broken upload must not stand in the way of the file that has this hash."""
    with pytest.raises(InvalidArgumentError, match="sha256") as error:
        await send(server, header(size_bytes=9), chunk(b"not these"))
    assert [violation.field for violation in error.value.violations] == ["header.sha256"]
    with pytest.raises(NotFoundError):
        await client.get_dataset(SHA256)
    DatasetStore(server.store).put_part(SHA256, 0, b"x" * PART_BYTES)
    assert (await client.upload_dataset(file)).complete
    assert DatasetStore(server.store).read(SHA256) == BODY


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([], ["header"]),
        ([chunk(b"x")], ["header"]),
        ([header(), header()], ["header"]),
        ([header(size_bytes=3), chunk(b"four")], ["chunk"]),
        ([header(size_bytes=5), chunk(b"four")], ["chunk"]),
        ([header(offset=PART_BYTES)], ["header.offset"]),
        ([header(sha256="AB" * 32, size_bytes=0, file_name="../x.csv", offset=-1)],
         ["header.sha256", "header.size_bytes", "header.offset", "header.file_name"]),
    ],
    ids=["nothing", "no header", "two headers", "too many bytes", "too few bytes", "gap", "all at once"],
)  # fmt: skip
async def test_upload_that_does_not_fit_is_refused_with_its_fields(
    server: RunningServer, messages: list[training_pb2.UploadDatasetRequest], fields: list[str]
) -> None:
    """A client of another language learns what it does wrong, all of it."""
    with pytest.raises(InvalidArgumentError) as error:
        await send(server, *messages)
    assert [violation.field for violation in error.value.violations] == fields


async def test_file_above_the_limit_is_refused_before_a_byte_of_it(
    store: FolderStore, valkey_url: str, tmp_path: Path
) -> None:
    """Nobody should send a gigabyte to be told no; the limit is told by GetServerInfo."""
    (tmp_path / "large.csv").write_bytes(b"x" * 2000)
    (tmp_path / "small.csv").write_bytes(b"x" * 1000)
    async with (
        running_server(store, valkey_url, SERVER_MAX_UPLOAD_BYTES="1000") as server,
        AsyncClient(server.target) as client,
    ):
        assert (await client.server_info()).limits.max_upload_bytes == 1000
        with pytest.raises(InvalidArgumentError, match="is 2000; this server takes 1000 "):
            await send(server, header(size_bytes=2000))
        with pytest.raises(InvalidArgumentError, match="is 2000"):
            await client.upload_dataset(tmp_path / "large.csv")
        assert (await client.upload_dataset(tmp_path / "small.csv")).complete


async def test_job_on_files_that_are_not_there_is_refused_with_all_else_that_is_wrong(
    server: RunningServer, client: AsyncClient
) -> None:
    """At once and together, and nothing is queued."""
    data = {"train": f"dataset:{SHA256}/a.csv", "test": f"dataset:{SHA256}/b.csv"}
    spec = {"tasks": [{"name": "t", "labels": ["x"], "data": data}]}
    for validate_only in (True, False):
        with pytest.raises(InvalidArgumentError, match="upload it first") as error:
            await client.train_job(spec, validate_only=validate_only)
        fields = [violation.field for violation in error.value.violations]
        assert fields == ["tasks[0].labels", "tasks[0].data.train", "tasks[0].data.test"]
    assert await client.list_jobs() == []
    assert server.store.list("jobs") == []


async def test_upload_behind_its_deadline_ends_with_deadline_exceeded(
    server: RunningServer, client: AsyncClient, file: Path
) -> None:
    """Whatever gRPC makes of a stream that is cut while it is written; what came is kept."""
    with pytest.raises(DeadlineExceededError):
        await client.upload_dataset(file, on_progress=lambda *_: time.sleep(0.5), timeout_s=0.3)
    stalled = threading.Event()
    with Client(server.target) as blocking, pytest.raises(DeadlineExceededError):
        stall: Any = lambda *_: stalled.wait(60)  # noqa: E731
        try:
            await asyncio.to_thread(blocking.upload_dataset, file, on_progress=stall, timeout_s=0.3)
        finally:
            stalled.set()
