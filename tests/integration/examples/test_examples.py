"""The programs of examples/ as somebody would run them, against a real server with a real, tiny model."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from polyhead import INFERENCE_SERVICE, Client
from shared.store.folder import FolderStore
from tests.published import publish
from tests.server_thread import DEADLINE_S, ServerInThread
from tests.tiny_model import make_tiny_base

ROOT = Path(__file__).parents[3]


class Real(ServerInThread):
    """Remembers its store, so that a test can release another model."""

    def __init__(self, store: FolderStore, redis_url: str) -> None:
        super().__init__(store, redis_url)
        self.store = store


@pytest.fixture(scope="module")
def real(tiny_base: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    store = FolderStore(tmp_path_factory.mktemp("examples") / "store")
    publish(store, tiny_base)
    server = Real(store, valkey_url)
    with Client(server.target) as client:
        client.wait_until_ready(DEADLINE_S, INFERENCE_SERVICE)
    yield server
    server.stop()


@contextmanager
def example(name: str, *arguments: str) -> Iterator[int]:
    """Runs one until the test has ended; the port where it listens."""
    command = [sys.executable, f"examples/{name}", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            found = re.search(r"listening on \S*:(\d+)", said)
            assert found, said
            yield int(found[1])
        finally:
            process.terminate()


def post(port: int, body: bytes, path: str = "/comments") -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def wait_until_served(target: str, version: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    with Client(target) as client:
        while (model := client.server_info().model) is None or model.version != version:
            assert time.monotonic() < deadline, f"version {version} is not served"
            time.sleep(0.05)


def test_sync_service_decides_on_comments_and_says_what_is_wrong(real: Real) -> None:
    """It decides by the model's score, and every failure has the status that a browser understands."""
    with Client(real.target) as client:
        score = client.predict("a day", tasks=["hate_speech"])[0]["hate_speech"].scores["hate"]
    for threshold in (score / 2, (1 + score) / 2):
        with example("sync_service.py", "--server", real.target, "--threshold", str(threshold)) as port:
            status, answer = post(port, b'{"text": "a day"}')
            assert (status, answer["publish"]) == (200, score < threshold)
            assert answer["score"] == pytest.approx(score, abs=2e-4)
            assert post(port, b'{"text": " "}')[0] == 400
            assert post(port, b"no json")[0] == 400
            assert post(port, b'{"comment": 1}') == (400, {"error": 'send {"text": "..."}'})
            assert post(port, b"{}", "/elsewhere")[0] == 404


def test_sync_service_without_its_task_or_without_a_server_goes_on(real: Real) -> None:
    """A web site must not fall over with its moderation."""
    with example("sync_service.py", "--server", real.target, "--task", "irony") as port:
        status, answer = post(port, b'{"text": "a day"}')
        assert (status, "irony" in answer["error"], bool(answer["request_id"])) == (502, True, True)
    with example("sync_service.py", "--server", "127.0.0.1:1") as port:
        assert post(port, b'{"text": "a day"}')[0] == 503


def test_async_service_finds_the_entry_also_after_another_encoder(real: Real, tmp_path: Path) -> None:
    """Vectors of two encoders do not compare: the page is embedded again, and no question fails."""
    entries = tmp_path / "entries.txt"
    entries.write_text("the cat\n\nlate train\nmonday morning\n")
    with (
        example("async_service.py", "--server", real.target, "--entries", str(entries)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection,
        connection.makefile("rw") as lines,
    ):

        def ask(question: str) -> dict[str, Any]:
            lines.write(question + "\n")
            lines.flush()
            answer: dict[str, Any] = json.loads(lines.readline())
            return answer

        first = ask("late train")
        assert (first["entry"], first["score"]) == ("late train", pytest.approx(1, abs=1e-3))
        assert "blank" in ask(" ")["error"]
        version = publish(real.store, make_tiny_base(tmp_path / "other", seed=1))
        wait_until_served(real.target, version)
        second = ask("monday morning")
        assert (second["entry"], second["score"]) == ("monday morning", pytest.approx(1, abs=1e-3))
        assert second["encoder_id"] != first["encoder_id"]


def test_calls_of_the_shell_example_exist_and_are_answered(real: Real) -> None:
    """Made as grpcurl makes them: methods and messages learned by reflection, bodies read from JSON."""
    calls = re.findall(r"^call (\S+)/(\S+) '(.*)'$", (ROOT / "examples/grpcurl.sh").read_text(), re.MULTILINE)
    assert len(calls) == 5
    with grpc.insecure_channel(real.target) as channel:
        reflected = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(reflected)
        assert {service for service, _, _ in calls} <= set(reflected.get_services())
        assert pool.FindMessageTypeByName("polyhead.v1.PredictRequest")
        for service, method, body in calls:
            described = pool.FindServiceByName(service).FindMethodByName(method)
            request = json_format.Parse(body, GetMessageClass(described.input_type)())
            response_class = GetMessageClass(described.output_type)
            ask = channel.unary_unary(
                f"/{service}/{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response_class.FromString,
            )
            assert isinstance(ask(request, timeout=DEADLINE_S), response_class)


def test_shell_example_without_grpcurl_says_where_to_get_it(tmp_path: Path) -> None:
    """Not `command not found` in the middle."""
    shell = shutil.which("sh")
    assert shell is not None
    command = [shell, str(ROOT / "examples/grpcurl.sh")]
    done = subprocess.run(
        command, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "github.com/fullstorydev/grpcurl" in done.stderr) == (127, True)


def test_shell_example_hands_grpcurl_the_server_and_each_call(tmp_path: Path) -> None:
    """The script itself runs through, with a grpcurl that writes down what it is asked."""
    fake = tmp_path / "grpcurl"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", str(ROOT / "examples/grpcurl.sh"), "host:1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "-plaintext host:1 list" in done.stdout
    assert '-plaintext -d {"page_size": 5} host:1 polyhead.v1.TrainingService/ListJobs' in done.stdout
