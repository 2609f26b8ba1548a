"""Both clients and `polyhead models ...` against a real server: what people do with versions, end to end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import polyhead
from shared.store.folder import FolderStore
from shared.store.versions import versions_log
from tests.conftest import RunningServer, running_server
from tests.integration.client.driver import AsyncDriver, SyncDriver
from tests.integration.server.waiting import until_refused, until_serving
from tests.published import add_version, publish, release

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def target(server: RunningServer, tiny_base: Path) -> str:
    """Versions 1 and 2 were released, 3 was not."""
    for seed in (1, 2):
        publish(server.store, tiny_base, seed=seed)
    add_version(server.store, tiny_base, seed=3)
    await until_serving(server.channel, 2)
    return server.target


async def run(target: str, store: FolderStore, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command; it must end with `status`."""
    environment = {**os.environ, "POLYHEAD_SERVER": target, "STORE_URL": str(store.root), "COLUMNS": "200"}
    command = [sys.executable, "-m", "polyhead", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def use(target: str, kind: type[SyncDriver] | type[AsyncDriver]) -> None:
    """One client's way through all calls."""
    call: Any = kind(target)
    release = call("promote", 3, request_id="r", why="better", by="ann")
    assert (release.number, release.stable, release.hold, release.by, release.change) == (
        3,
        3,
        True,
        "ann",
        "promote 3",
    )
    assert call("promote", 3, request_id="r") == release
    assert call("predict", ["good"]).model_version == 3
    assert call("predict", ["good"], model="latest").model_version == 2
    assert call("embed", ["good"], model=2).model_version == 2
    assert call("rollback", 1).stable == 1
    assert call("set_alias", "eu", 3).aliases == {"eu": 3, "latest": 2}
    assert call("promote", 2, canary_share=1.0).canary == polyhead.Canary(2, 1.0)
    assert call("predict", ["good"], routing_key="ann").model_version == 2
    info = call("server_info")
    assert {item.version: item.roles for item in info.models} == {
        1: ("stable",),
        2: ("canary", "latest"),
        3: ("eu",),
    }
    assert {item.state for item in info.models} == {polyhead.LoadState.LOADED}
    assert (info.routing.stable, info.routing.hold) == (1, True)
    version = call("get_version", 2)
    assert (version.aliases, version.canary_share, version.is_stable, version.is_deleted) == (
        ("latest",),
        1.0,
        False,
        False,
    )
    assert call("set_alias", "eu", None).aliases == {"latest": 2}
    assert call.first("watch_releases", 2) == release
    with pytest.raises(polyhead.NotFoundError, match="no version 9"):
        call("promote", 9)
    with pytest.raises(polyhead.FailedPreconditionError, match="loaded are"):
        call("predict", ["good"], model="nobody")
    with pytest.raises(polyhead.InvalidArgumentError, match="canary_share: must be a number"):
        call("promote", 2, canary_share="half")
    call.close()


@pytest.mark.parametrize("kind", [SyncDriver, AsyncDriver], ids=["sync", "async"])
async def test_client_changes_and_reads_the_routing_table(
    target: str, kind: type[SyncDriver] | type[AsyncDriver]
) -> None:
    """The whole of the ModelService, as a Python program uses it."""
    await asyncio.to_thread(use, target, kind)


async def test_models_commands_change_the_routing_table(target: str, server: RunningServer) -> None:
    """The way of an operator: try a version, serve it, go back, clean up."""
    store = server.store
    done = await run(target, store, "models", "canary", "3", "--share", "0.25", "--why", "try it")
    assert "3 (25%)" in done.stdout
    assert "--resume-automatic" in done.stderr
    await run(target, store, "models", "promote", "3", "--resume-automatic")
    assert "version 3" in (await run(target, store, "predict", "good")).stdout
    assert "version 2" in (await run(target, store, "predict", "--model", "2", "good")).stdout
    assert "version 2" in (await run(target, store, "predict", "--model", "latest", "good")).stdout
    await run(target, store, "models", "rollback", "1", "--why", "it was worse")
    await run(target, store, "models", "alias", "eu", "1")
    shown = (await run(target, store, "models", "list")).stdout
    assert "stable, eu" in shown
    assert "on hold" in (await run(target, store, "info")).stdout
    assert json.loads((await run(target, store, "models", "show", "1", "--json")).stdout)["aliases"] == ["eu"]
    refused = await run(target, store, "models", "rollback", "1", status=1)
    assert "stable already (FAILED_PRECONDITION)" in refused.stderr
    await run(target, store, "models", "alias", "eu", status=2)
    await run(target, store, "models", "canary", "2", status=2)


async def test_list_and_info_tell_which_version_answers_where_the_stable_one_is_refused(
    target: str, server: RunningServer, tiny_base: Path
) -> None:
    """`stable` beside a version that answers nobody would mislead who looks for the cause."""
    number = add_version(server.store, tiny_base, seed=4)
    record = versions_log(server.store).entries()[number - 1]
    server.store.path(f"artifacts/{record.artifact_id}/heads.safetensors").write_bytes(b"damaged")
    release(server.store, number)
    await until_refused(server.channel, number)
    words = "refused here: version 2 answers"
    for command in (["list"], ["show", str(number)]):
        shown = " ".join((await run(target, server.store, "models", *command)).stdout.split())
        assert f"stable, {words}" in shown
        assert shown.count("stable") == 1
    assert f"version {number}, {words}" in (await run(target, server.store, "info")).stdout


async def test_version_travels_to_another_store_and_back_and_is_deleted(
    target: str, server: RunningServer, tmp_path: Path
) -> None:
    """Export, delete, import, serve: what arrives answers."""
    file = str(tmp_path / "three.tar")
    await run(target, server.store, "models", "export", "3", "-o", file)
    assert "deleted" in (await run(target, server.store, "models", "delete", "3")).stdout
    listed = json.loads((await run(target, server.store, "models", "list", "--json")).stdout)
    assert [item["is_deleted"] for item in listed] == [True, False, False]
    refused = await run(target, server.store, "models", "promote", "3", status=1)
    assert "was deleted" in refused.stderr
    back = json.loads((await run(target, server.store, "models", "import", file, "--json")).stdout)
    assert back["version"] == 4
    await run(target, server.store, "models", "promote", "4")
    assert "version 4" in (await run(target, server.store, "predict", "good")).stdout
    kept = await run(target, server.store, "models", "delete", "2", status=1)
    assert "in use by release" in kept.stderr
    assert "alias latest" in kept.stderr
    nowhere = FolderStore(tmp_path / "nowhere")
    assert "STORE_URL" in (await run(target, nowhere, "models", "export", "1", status=1)).stderr


async def test_first_model_of_a_new_machine_comes_from_a_file(
    store: FolderStore, tiny_base: Path, tmp_path: Path, valkey_url: str
) -> None:
    """No worker, no training, no store yet: import, start a server, promote; then it answers."""
    publish(store, tiny_base)
    file, new = str(tmp_path / "one.tar"), FolderStore(tmp_path / "srv" / "store")
    await run("nowhere:1", store, "models", "export", "1", "-o", file)
    told = await run("nowhere:1", store, "models", "import", file, "--store-url", str(new.root))
    assert f"made a new store at {new.root}" in told.stderr
    async with running_server(new, valkey_url) as server:
        await run(server.target, new, "models", "promote", "1")
        assert "version 1" in (await run(server.target, new, "predict", "good")).stdout
