"""A person's own CSV against a service on another machine: uploaded, trained on, served, judged."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from polyhead import AsyncClient
from polyhead.errors import FailedPreconditionError, NotFoundError
from polyhead.results import Job, JobState
from polyhead.specs import from_struct
from polyhead.v1 import models_pb2
from polyhead.v1.models_pb2_grpc import ModelServiceStub
from shared.spec import parse_spec
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.records import new_id
from shared.store.versions import versions_log
from tests.conftest import running_server
from tests.tiny_rows import make_rows, write_csv
from tests.workers.stand import REPOSITORY, Stand

LABELS = ("down", "up")
LEARNS: dict[str, Any] = {"layerwise_lr": {"base_lr": 2e-3}, "optimizer": {"head_lr": 2e-2, "epochs": 6}}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Stand]:
    """A worker whose data roots are empty."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "roots").mkdir()
    with Stand(folder, command=("-m", "worker")) as stand:
        stand.settings |= {"BASE_MODEL": str(tiny_base), "WORKER_DATA_ROOTS": str(folder / "roots")}
        stand.settings["WORKER_LEASE_TTL_S"] = "60"
        stand.start_worker()
        yield stand


@pytest.fixture
async def client(stand: Stand) -> AsyncIterator[AsyncClient]:
    async with (
        running_server(stand.store, stand.redis_url) as server,
        AsyncClient(server.target, timeout_s=120) as client,
    ):
        yield client


async def run(client: AsyncClient, train: str, **fields: Any) -> Job:
    """A job from TrainJob to its publication."""
    task = {"name": "mood", "labels": list(LABELS), "data": {"train": train}}
    accepted = await client.train_job({"tasks": [task], "baselines": False, **fields})
    async with asyncio.timeout(240):
        return [job async for job in client.watch_job(accepted.id)][-1]


async def until_served(client: AsyncClient, version: int) -> None:
    async with asyncio.timeout(120):
        while (model := (await client.server_info()).model) is None or model.version != version:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_own_file_is_uploaded_trained_on_and_served_and_a_worse_model_is_kept(
    stand: Stand, client: AsyncClient, tmp_path: Path
) -> None:
    """The whole way over the wire alone: record and lineage name the bytes, the gate guards what is served."""
    file = write_csv(tmp_path / "my moods.csv", make_rows(420), LABELS)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    dataset = await client.upload_dataset(file)
    job = await run(client, dataset.reference, **LEARNS)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert job.released
    assert job.verdict.startswith("not judged: ")
    name = f"dataset:{digest[:12]}/my moods.csv"
    assert job.report["data"]["mood"]["files"] == {"train": name}
    assert job.report["data"]["mood"]["sha256"] == {name: digest}
    record = versions_log(stand.store).entries()[job.version - 1]
    manifest = ArtifactReader(stand.store, record.artifact_id, record.manifest_sha256).manifest
    assert manifest.data["mood"]["sha256"] == {name: digest}
    stub = ModelServiceStub(client._channel)
    version = await stub.GetVersion(models_pb2.GetVersionRequest(number=job.version))
    assert from_struct(version.lineage)["data"] == {"mood": {name: digest}}
    page = (await client.get_report(job.version)).decode()
    assert page.startswith("<!doctype html>")
    assert digest in page
    await polyhead(client.target, tmp_path, "models", "report", str(job.version), "--out", "page.html")
    assert (tmp_path / "page.html").read_text() == page
    with pytest.raises(FailedPreconditionError, match="has no report"):
        await client.get_report(1)
    with pytest.raises(NotFoundError):
        await client.get_report(99)
    await until_served(client, job.version)
    assert (await client.predict("a great happy joy day"))[0]["mood"].label == "up"

    worse = await run(client, dataset.reference, freeze={"policy": "all"})
    assert worse.state is JobState.SUCCEEDED
    assert (worse.version, worse.released, worse.is_kept) == (job.version + 1, False, True)
    assert worse.verdict.startswith("failed: mood macro_f1 ")
    gate = worse.report["gate"]["tasks"]["mood"]
    assert gate["candidate"] < gate["champion"] - gate["allowed"]
    model = (await client.server_info()).model
    assert model is not None
    assert model.version == job.version
    versions = {version.number: version.verdict for version in await client.list_versions()}
    assert versions[worse.version] == worse.verdict


def test_file_that_is_gone_when_the_job_runs_fails_it_by_name(stand: Stand) -> None:
    """No other data is taken in its place, and no attempt is wasted on trying again."""
    task = {"name": "mood", "labels": LABELS, "data": {"train": f"dataset:{'0' * 64}/gone.csv"}}
    job, _ = stand.jobs.submit(new_id(), parse_spec({"tasks": [task]}))
    stand.ring(job.job_id)
    stand.wait_until(lambda: stand.job(job.job_id).is_finished)
    result = stand.job(job.job_id).result
    assert result is not None
    assert (result.state, result.error_code) == ("FAILED", "INVALID_DATA")
    assert "dataset:000000000000/gone.csv" in result.error_message
    assert stand.kinds(job.job_id) == ["claim", "result"]


async def polyhead(target: str, folder: Path, *arguments: str) -> str:
    """Run the command line in `folder`; its stdout."""
    command = [sys.executable, "-m", "polyhead", "--server", target, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


async def test_commands_upload_files_of_this_machine_and_leave_other_paths_to_the_worker(
    store: FolderStore, valkey_url: str, tmp_path: Path
) -> None:
    """`polyhead train --data my.csv` works against a service anywhere, with no checkout and no shared folder."""
    here = write_csv(tmp_path / "my.csv", make_rows(20), LABELS)
    (tmp_path / "recipe.yaml").write_text(
        "tasks: [{name: t, labels: [down, up], data: {train: upload:my.csv, test: my.csv}}]"
    )
    reference = f"dataset:{hashlib.sha256(here.read_bytes()).hexdigest()}/my.csv"
    async with running_server(store, valkey_url) as server, AsyncClient(server.target) as client:
        assert (await polyhead(server.target, tmp_path, "data", "upload", "my.csv")).strip() == reference
        listed = json.loads(await polyhead(server.target, tmp_path, "data", "uploads", "--json"))
        assert [item["reference"] for item in listed] == [reference]
        options = ("--no-watch", "--json", "train", "--task", "t", "--labels", "down,up")
        train = (*options[2:], *options[:2])
        await polyhead(server.target, tmp_path, *train, "--data", "my.csv")
        await polyhead(server.target, tmp_path, *train, "--data", "theirs.csv")
        await polyhead(server.target, tmp_path, *train, "--data", "my.csv", "--no-upload")
        await polyhead(server.target, tmp_path, "train", "recipe.yaml", *options[:2])
        jobs = reversed(await client.list_jobs())
        data = [job.spec["tasks"][0]["data"] for job in jobs]
    assert [item["train"] for item in data] == [reference, "theirs.csv", "my.csv", reference]
    assert data[3]["test"] == "my.csv", "a plain path of a recipe is the worker's"
