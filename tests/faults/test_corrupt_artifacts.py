"""Damaged artifacts, one after the other: none is served, and the old model answers on.

CORRUPT_ARTIFACTS=1000 pytest -s tests/faults/test_corrupt_artifacts.py is the full run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import grpc
import numpy as np
import pytest

from polyhead.v1 import inference_pb2, models_pb2, models_pb2_grpc
from polyhead.v1.inference_pb2_grpc import InferenceServiceStub
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord, versions_log
from tests.conftest import RunningServer, running_server
from tests.faults.damages import FORGED, RAW
from tests.integration.server.waiting import until_refused, until_serving
from tests.published import add_version, publish, release

NUM_ARTIFACTS = int(os.environ.get("CORRUPT_ARTIFACTS", "39"))
SENTENCES = ["good day", "the worst service in the world"]
DAMAGES = [*RAW, *FORGED]


class Caller:
    """Asks without pause; every answer must be the old model's."""

    def __init__(self, server: RunningServer) -> None:
        self._stub = InferenceServiceStub(server.channel)
        self._golden: np.ndarray | None = None
        self.num_answers = 0
        self.is_done = False

    async def ask(self) -> None:
        response = await self._stub.Predict(inference_pb2.PredictRequest(sentences=SENTENCES))
        scores = np.array([[s.score for p in r.predictions for s in p.scores] for r in response.results])
        assert response.model_version == 1
        self._golden = scores if self._golden is None else self._golden
        np.testing.assert_allclose(scores, self._golden, atol=1e-5)
        self.num_answers += 1

    async def run(self) -> None:
        while not self.is_done:
            await self.ask()
            await asyncio.sleep(0.01)


def damaged_version(store: FolderStore, whole: VersionRecord, number: int) -> str:
    """Append a version whose artifact is a damaged copy; return the damage's name."""
    random, damage = Random(number), DAMAGES[number % len(DAMAGES)]
    source, artifact_id = store.path(f"artifacts/{whole.artifact_id}"), f"damaged-{number}"
    files = {str(p.relative_to(source)): p.read_bytes() for p in sorted(source.rglob("*")) if p.is_file()}
    body = files.pop("manifest.json")
    if damage in FORGED:
        manifest = json.loads(body)
        damage(random, files, manifest)  # type: ignore[arg-type, call-arg]
        if "files" in manifest:
            manifest["files"] = {name: _describe(content) for name, content in files.items()}
        body = json.dumps(manifest).encode()
    for name, content in {**files, "manifest.json": body}.items():
        store.put(f"artifacts/{artifact_id}/{name}", content)
    if damage in RAW:
        before = _contents(store.path(f"artifacts/{artifact_id}"))
        while _contents(store.path(f"artifacts/{artifact_id}")) == before:  # two equal files swapped are no damage
            damage(random, store.path(f"artifacts/{artifact_id}"))  # type: ignore[arg-type, call-arg]
    record = VersionRecord(
        artifact_id=artifact_id, manifest_sha256=hashlib.sha256(body).hexdigest(), job_id=artifact_id
    )
    versions_log(store).append(lambda _: record)
    return damage.__name__


def _describe(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


async def refusal_of(server: RunningServer, version: int, by_hand: bool) -> str:
    """Have the version released, by a record or by a promotion, and return why it was refused."""
    if by_hand:
        await asyncio.to_thread(release, server.store, version)
        return await until_refused(server.channel, version)
    promote = models_pb2_grpc.ModelServiceStub(server.channel).Promote
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await promote(models_pb2.PromoteRequest(version=version))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION, caught.value
    return caught.value.details() or ""


@pytest.mark.timeout(300 + 10 * NUM_ARTIFACTS)
async def test_damaged_artifacts_are_refused_and_the_old_model_answers_on(
    server: RunningServer, tiny_base: Path, valkey_url: str
) -> None:
    """Whatever is wrong with a new model, callers must not notice; and the next good one is served."""
    store = server.store
    publish(store, tiny_base, seed=1)
    add_version(store, tiny_base, seed=2)
    whole = versions_log(store).entries()[1]
    await until_serving(server.channel, 1)
    caller = Caller(server)
    calling = asyncio.create_task(caller.run())
    refused: Counter[str] = Counter()
    try:
        for number in range(NUM_ARTIFACTS):
            name = await asyncio.to_thread(damaged_version, store, whole, number)
            version = len(versions_log(store).entries())
            assert await refusal_of(server, version, by_hand=number % 2 == 0), name
            refused[name] += 1
            await caller.ask()
    finally:
        caller.is_done = True
        await calling
    print(f"\n{refused.total()} artifacts, {len(refused)} kinds of damage; {caller.num_answers} answers of version 1")
    assert refused.total() == NUM_ARTIFACTS

    async with running_server(store, valkey_url) as restarted:
        info = await until_serving(restarted.channel, 1)
        assert len(info.refused) > 0
    good = await asyncio.to_thread(publish, store, tiny_base, seed=3)
    await until_serving(server.channel, good)
