"""Two releases under steady load from a second process: nobody notices but by the version in the answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from polyhead.v1 import models_pb2, models_pb2_grpc
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model
from shared.store.folder import FolderStore
from tests.golden import alone, loaded
from tests.processes import free_port
from tests.published import publish

ROOT = Path(__file__).parents[2]
REQUESTS_PER_S = 110
#: Long enough for both loads on a slow machine that is busy with the requests.
SECONDS = 48
SENTENCES = [
    "the parcel came a day early, thank you",
    "worst support line i ever called",
    "we moved the stand-up to ten",
    "people from the other side of the river should stay there",
    "not bad at all, really",
    "why does this update ask for my password again and again and again",
]


@pytest.fixture
def target(store: FolderStore, valkey_url: str) -> Iterator[str]:
    """The real server process, on the real base model, with version 1 released."""
    publish(store, resolve_base_model(DEFAULT_BASE_MODEL), seed=1)
    address = f"127.0.0.1:{free_port()}"
    environment = os.environ | {"STORE_URL": str(store.root), "REDIS_URL": valkey_url, "SERVER_LISTEN": address}
    process = subprocess.Popen([sys.executable, "-m", "server"], cwd=ROOT, env=environment)
    try:
        wait_for_version(address, 1)
        yield address
    finally:
        process.terminate()
        assert process.wait(60) == 0


def wait_for_version(target: str, version: int) -> None:
    with grpc.insecure_channel(target) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        for _ in range(600):
            info = stub.GetServerInfo(models_pb2.GetServerInfoRequest(), wait_for_ready=True, timeout=60)
            if info.model.version == version:
                return
            time.sleep(0.1)
    raise AssertionError(f"version {version} never served: {info}")


def test_two_releases_under_load_fail_no_request_and_answer_as_declared(target: str, store: FolderStore) -> None:
    """The reason to run this service at all: models change, and no client has to know."""
    command = [sys.executable, "-m", "tests.e2e.load", target, str(REQUESTS_PER_S), str(SECONDS)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write("\n".join(SENTENCES))
        client.stdin.close()
        for version in (2, 3):
            time.sleep(SECONDS / 4)
            assert publish(store, resolve_base_model(DEFAULT_BASE_MODEL), seed=version) == version
        answers = [json.loads(line) for line in client.stdout]
    assert client.returncode == 0

    assert len(answers) == REQUESTS_PER_S * SECONDS
    failures = [answer for answer in answers if answer[1] == 0]
    assert not failures, failures[:5]
    versions = Counter(version for _, version, _ in answers)
    assert set(versions) == {1, 2, 3}
    golden = {
        version: [np.concatenate(alone(loaded(store, version), text)[1]) for text in SENTENCES] for version in versions
    }
    for index, version, scores in answers:
        np.testing.assert_allclose(scores, golden[version][index], atol=1e-5)
    print(f"{len(answers)} requests at {REQUESTS_PER_S}/s, 0 failed; answered by version: {dict(versions)}")
