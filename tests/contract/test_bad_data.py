"""The table of bad data: each fails its job before training starts, naming file, row and column; the server goes on.

A real worker with the real trainer on a tiny base model; the jobs go in through TrainJob.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from polyhead.specs import spec_to_message
from polyhead.v1 import inference_pb2, inference_pb2_grpc, training_pb2, training_pb2_grpc
from tests.conftest import RunningServer, running_server
from tests.integration.server.waiting import server_info, until_serving
from tests.published import publish
from tests.workers.stand import Stand

GOOD = "text,label\n" + "".join(f"a {word} day,{label}\n" for word, label in (("good", "x"), ("bad", "y")))

#: (name, file's content or None, fields of the data spec, words that the message must have)
TABLE: list[tuple[str, bytes | None, dict[str, Any], list[str]]] = [
    ("missing file", None, {"train": "nowhere.csv"}, ["nowhere.csv"]),
    ("path out of the roots", None, {"train": "../secret.csv"}, ["../secret.csv", "root"]),
    ("absolute path out of the roots", None, {"train": "/etc/passwd"}, ["/etc/passwd", "root"]),
    ("link out of the roots", None, {"train": "link.csv"}, ["link.csv", "root"]),
    (
        "not a table",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00",
        {"train": "picture.csv"},
        ["picture.csv", "not text"],
    ),
    ("broken parquet", b"PAR1 not really", {"train": "broken.parquet"}, ["broken.parquet"]),
    ("broken json line", b'{"text": "a", "label": "x"}\n{"text": \n', {"train": "broken.jsonl"}, ["broken.jsonl", "2"]),
    (
        "wrong encoding",
        "text,label\ncafé,x\n".encode("latin-1"),
        {"train": "l1.csv", "encoding": "utf-8"},
        ["l1.csv", "utf-8"],
    ),
    (
        "unknown column",
        GOOD.encode(),
        {"train": "good.csv", "text_column": "tweet"},
        ["good.csv", "tweet", "text, label"],
    ),
    ("unknown label", (GOOD + "an odd day,z\n").encode(), {"train": "odd.csv"}, ["odd.csv", "row 4", "label", "z"]),
    ("single class", b"text,label\ngood,x\nbetter,x\nbest,x\n", {"train": "single.csv"}, ["single.csv", "'x'"]),
    ("empty file", b"", {"train": "empty.csv"}, ["empty.csv"]),
    ("header only", b"text,label\n", {"train": "header.csv"}, ["header.csv"]),
]


@pytest.fixture
async def stack(tmp_path: Path, tiny_base: Path) -> AsyncIterator[tuple[RunningServer, Path]]:
    """A server with a good model, a worker beside it, and the worker's only data root."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.csv").write_text(GOOD)
    (root / "link.csv").symlink_to(tmp_path / "secret.csv")
    with Stand(tmp_path, ("-m", "worker")) as stand:
        stand.settings |= {"BASE_MODEL": str(tiny_base), "WORKER_DATA_ROOTS": str(root)}
        publish(stand.store, tiny_base)
        stand.start_worker()
        async with running_server(stand.store, stand.redis_url) as server:
            await until_serving(server.channel, 1)
            yield server, root


async def run(server: RunningServer, data: dict[str, Any]) -> list[training_pb2.Job]:
    """Train on `data` beside a second, good task; return all that WatchJob sent."""
    tasks = [{"name": "t", "labels": ["x", "y"], "data": data}]
    stub = training_pb2_grpc.TrainingServiceStub(server.channel)
    request = training_pb2.TrainJobRequest(spec=spec_to_message({"tasks": tasks}))
    job = (await stub.TrainJob(request)).job
    return [update async for update in stub.WatchJob(training_pb2.WatchJobRequest(job_id=job.id))]


async def test_bad_data_fails_its_job_before_training_and_the_old_model_serves(
    stack: tuple[RunningServer, Path],
) -> None:
    """One stack for the whole table, so each failure must also leave the worker able to take the next job."""
    server, root = stack
    wrong = []
    for name, body, data, words in TABLE:
        if body is not None:
            (root / data["train"]).write_bytes(body)
        updates = await run(server, data)
        last = updates[-1]
        has_trained = any(update.progress.stage == "training" for update in updates)
        missing = [word for word in words if word not in last.error.message]
        if last.state != training_pb2.JOB_STATE_FAILED or last.attempt != 1 or missing or has_trained:
            wrong.append((name, last.error.code, last.error.message, missing, last.attempt, has_trained))
    assert not wrong
    info = await server_info(server.channel)
    assert (info.model.version, info.release) == (1, 1)
    predict = inference_pb2_grpc.InferenceServiceStub(server.channel).Predict
    assert (await predict(inference_pb2.PredictRequest(sentences=["still here"]))).model_version == 1
