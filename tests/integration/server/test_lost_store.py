"""A store that cannot be one at the start, and one that goes away under a running server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

import server.__main__ as server_process
import worker.__main__ as worker_process
from polyhead.v1 import inference_pb2, models_pb2, models_pb2_grpc
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from tests.conftest import RunningServer
from tests.integration.server.waiting import ATTEMPTS, PAUSE_S, server_info, until_serving
from tests.published import publish


@pytest.mark.parametrize("process", [server_process, worker_process])
def test_process_with_a_store_that_is_a_file_ends_with_status_2(
    process: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As any other wrong setting, in one line that names it; `no release` would send people to the worker."""
    file = tmp_path / "store.tar"
    file.write_bytes(b"")
    monkeypatch.setenv("STORE_URL", str(file))
    assert process.main() == 2  # type: ignore[attr-defined]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"STORE_URL '{file}': {file} is no folder")


async def until_trouble(channel: grpc.aio.Channel) -> None:
    for _ in range(ATTEMPTS):
        if "is away or is another one" in (await server_info(channel)).trouble:
            return
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("the server never noticed")


async def test_store_that_goes_away_is_told_and_the_served_model_stays(
    server: RunningServer, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty mount point is no store without versions; when it is back, all is as before."""
    monkeypatch.setattr("server.models.manager.RETRY_S", 0.05)
    root, elsewhere = server.store.root, server.store.root.with_name("elsewhere")
    publish(server.store, tiny_base, seed=1)
    await until_serving(server.channel, 1)
    models = models_pb2_grpc.ModelServiceStub(server.channel)
    with capture_logs() as logs:
        root.rename(elsewhere)
        root.mkdir()
        await until_trouble(server.channel)
        calls = [
            lambda: models.ListVersions(models_pb2.ListVersionsRequest()),
            lambda: models.Promote(models_pb2.PromoteRequest(version=1, by="ann")),
            lambda: models.GetVersion(models_pb2.GetVersionRequest(number=1)),
        ]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError, match="is away or is another one") as caught:
                await call()
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        answer = await InferenceServiceStub(server.channel).Predict(inference_pb2.PredictRequest(sentences=["good"]))
        assert answer.model_version == 1
    assert [line["event"] for line in logs].count("releases cannot be followed; the served models stay") == 1
    assert list(root.iterdir()) == []
    root.rmdir()
    elsewhere.rename(root)
    publish(server.store, tiny_base, seed=2)
    assert not (await until_serving(server.channel, 2)).trouble
