"""New releases take over without a restart; bad ones are refused with a reason; the old model serves on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from polyhead.v1 import inference_pb2 as pb
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.store.artifacts import sha256
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord, versions_log
from tests.conftest import RunningServer
from tests.integration.server.waiting import server_info, until_refused, until_serving
from tests.published import publish, release

SENTENCES = ["good day", "the worst service in the world"]


async def scores_by_version(stub: InferenceServiceStub) -> tuple[int, np.ndarray]:
    response = await stub.Predict(pb.PredictRequest(sentences=SENTENCES))
    scores = [[s.score for p in r.predictions for s in p.scores] for r in response.results]
    return response.model_version, np.array(scores)


async def test_release_under_traffic_fails_no_call_and_mixes_no_versions(
    server: RunningServer, tiny_base: Path
) -> None:
    """Every answer equals the golden answer of the version it declares, through five swaps."""
    publish(server.store, tiny_base, seed=1)
    await until_serving(server.channel, 1)
    stub = InferenceServiceStub(server.channel)
    golden = dict([await scores_by_version(stub)])
    answers: list[tuple[int, np.ndarray]] = []
    done = asyncio.Event()

    async def caller() -> None:
        while not done.is_set():
            answers.append(await scores_by_version(stub))

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    for version in range(2, 7):
        assert await asyncio.to_thread(publish, server.store, tiny_base, seed=version) == version
        await until_serving(server.channel, version)
        golden |= dict([await scores_by_version(stub)])
    done.set()
    await asyncio.gather(*callers)
    assert {version for version, _ in answers} == {1, 2, 3, 4, 5, 6}
    for version, scores in answers:
        np.testing.assert_allclose(scores, golden[version], atol=1e-5)


async def test_release_of_older_version_rolls_back(server: RunningServer, tiny_base: Path) -> None:
    """The newest release decides, not the highest version."""
    publish(server.store, tiny_base, seed=1)
    publish(server.store, tiny_base, seed=2)
    await until_serving(server.channel, 2)
    release(server.store, 1)
    info = await until_serving(server.channel, 1)
    assert info.release == 3


def flip_a_byte(artifact: Path) -> None:
    weights = artifact / "model.safetensors"
    body = bytearray(weights.read_bytes())
    body[len(body) // 2] ^= 1
    weights.write_bytes(body)


def cut_heads(artifact: Path) -> None:
    heads = artifact / "heads.safetensors"
    heads.write_bytes(heads.read_bytes()[:-10])


def remove_tokenizer(artifact: Path) -> None:
    (artifact / "tokenizer.json").unlink()


def edit_manifest(artifact: Path) -> None:
    manifest = artifact / "manifest.json"
    manifest.write_text(manifest.read_text().replace("negative", "NEGATIVE"))


@pytest.mark.parametrize("damage", [flip_a_byte, cut_heads, remove_tokenizer, edit_manifest])
async def test_release_of_damaged_artifact_is_refused_and_old_model_serves(
    server: RunningServer, tiny_base: Path, damage: Callable[[Path], None]
) -> None:
    """One wrong byte anywhere, and the version is not served."""
    publish(server.store, tiny_base, seed=1)
    await until_serving(server.channel, 1)
    hidden = FolderStore(server.store.root.parent / "hidden")
    publish(hidden, tiny_base, seed=2)
    record = versions_log(hidden).entries()[0]
    source = hidden.root / "artifacts" / record.artifact_id
    damage(source)
    source.rename(server.store.root / "artifacts" / record.artifact_id)
    await _append_and_release(server.store, record)
    reason = await until_refused(server.channel, 2)
    assert record.artifact_id in reason
    version, _ = await scores_by_version(InferenceServiceStub(server.channel))
    assert version == 1


async def _append_and_release(store: FolderStore, record: VersionRecord) -> None:
    number = versions_log(store).append(lambda _: record)
    assert number is not None
    release(store, number)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda m: m["tasks"][0]["labels"].append("more"), "does not fit"),
        (lambda m: m["tasks"].pop(), "the tasks need"),
        (lambda m: m["probes"]["scores"]["sentiment"][0].reverse(), "probe task sentiment"),
        (lambda m: m["probes"]["embeddings"][2].reverse(), "probe embedding"),
        (lambda m: m.update(schema=2), "schema version 2"),
        (lambda m: m.update(dimensions=7), "7 dimensions"),
    ],
)
async def test_release_whose_manifest_disagrees_with_weights_is_refused(
    server: RunningServer, tiny_base: Path, edit: Callable[[dict], None], reason: str
) -> None:
    """Hashes are right here, the content is not: only loading and probing can tell."""
    publish(server.store, tiny_base, seed=1)
    await until_serving(server.channel, 1)
    record = versions_log(server.store).entries()[0]
    path = server.store.root / "artifacts" / record.artifact_id / "manifest.json"
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    body = json.dumps(manifest).encode()
    copy = server.store.root / "artifacts" / "copy"
    copy.mkdir()
    for file in path.parent.rglob("*"):
        if file.is_file() and file.name != "manifest.json":
            target = copy / file.relative_to(path.parent)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    (copy / "manifest.json").write_bytes(body)
    await _append_and_release(
        server.store, VersionRecord(artifact_id="copy", manifest_sha256=sha256(body), job_id="other")
    )
    assert reason in await until_refused(server.channel, 2)
    assert (await server_info(server.channel)).model.version == 1


@pytest.fixture
def published_bad(store: FolderStore, tiny_base: Path) -> None:
    """A good release, then one whose weights are damaged, before the server starts."""
    publish(store, tiny_base, seed=1)
    publish(store, tiny_base, seed=2)
    flip_a_byte(store.root / "artifacts" / versions_log(store).entries()[1].artifact_id)


async def test_start_with_bad_newest_release_serves_the_newest_good_one(
    published_bad: None, server: RunningServer
) -> None:
    """A restart must not turn a refused release into an outage."""
    info = await until_serving(server.channel, 1)
    assert [item.version for item in info.refused] == [2]


async def test_first_start_without_release_is_unavailable_then_serves(server: RunningServer, tiny_base: Path) -> None:
    """Clients that come early get a status to retry on, and no restart is needed."""
    stub = InferenceServiceStub(server.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Embed(pb.EmbedRequest(sentences=["a"]))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    publish(server.store, tiny_base, tasks=())
    await until_serving(server.channel, 1)
    assert len((await stub.Embed(pb.EmbedRequest(sentences=["a"]))).embeddings) == 1
