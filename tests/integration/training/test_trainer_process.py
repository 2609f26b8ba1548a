"""The trainer as a process: its streams, its signals, its answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from shared.model_files import ENCODER_FILE, HEADS_FILE, load_model
from shared.probes import check_probes, make_probes
from shared.store.artifacts import ArtifactReader
from tests.integration.training.conftest import COMMAND, LABELS, Bench, Outcome
from worker.training.protocol import Failure, Result, TrainerInput


@pytest.fixture(scope="module")
def outcome(shared_bench: Bench) -> Outcome:
    """One job with two tasks, run by a process."""
    return shared_bench.run_process(shared_bench.submit())


def test_trainer_with_two_tasks_writes_a_verified_artifact(shared_bench: Bench, outcome: Outcome) -> None:
    """The whole way: what the result names can be read, verified and run, and does what the probes say."""
    result = outcome.last
    assert isinstance(result, Result), outcome
    assert result.artifact_id.startswith(f"{outcome.job_id}-0-")
    artifact = ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256)
    for name in artifact.manifest.files:
        artifact.read(name)
    loaded = load_model(artifact)
    assert {task.name: task.labels for task in loaded.model.tasks} == LABELS
    probes = make_probes(loaded.model, loaded.text)
    scores = {name: np.array(rows, dtype=np.float32) for name, rows in probes.scores.items()}
    embeddings = np.array(probes.embeddings, dtype=np.float32)
    check_probes(artifact.manifest.probes, artifact.manifest.tasks, "torch-float32", embeddings, scores)
    assert artifact.manifest.hyperparameters["optimizer"]["epochs"] == 1
    assert artifact.manifest.metrics == result.metrics
    assert b"# mood, topic" in artifact.read("MODEL_CARD.md")


def test_trainer_tells_metrics_and_report_in_the_agreed_layout(outcome: Outcome) -> None:
    """Clients draw their tables from these names."""
    result = outcome.last
    assert isinstance(result, Result), outcome
    figures = {"accuracy", "macro_f1", "macro_recall", "cross_entropy", "ece", "confusion", "rows"}
    for name, labels in LABELS.items():
        metrics = result.metrics[name]
        assert metrics.keys() == {"model", "majority", "tfidf_lr", "vs_tfidf_lr"}
        assert metrics["vs_tfidf_lr"].keys() == {"macro_f1_difference", "low", "high"}
        for classifier in ("model", "majority", "tfidf_lr"):
            assert figures <= metrics[classifier].keys()
            assert np.array(metrics[classifier]["confusion"]).shape == (len(labels), len(labels))
        assert metrics["model"]["rows"] == result.report["data"][name]["rows"]["test"] > 0
        assert list(result.report["data"][name]["sha256"]) == [f"{name}.csv"]
    assert [row["group"] for row in result.report["learning_rates"]][-1] == "head.topic"
    assert result.report["trainable_parameters"] == result.report["total_parameters"] > 0
    assert 50 < result.report["peak_memory_mib"] < 4000, "a process with torch in it, told in MiB"
    assert result.report["temperatures"].keys() == result.report["validation"].keys() == LABELS.keys()


def test_trainer_tells_its_progress_stage_by_stage(outcome: Outcome) -> None:
    """What `polyhead jobs` shows while a person waits."""
    result = outcome.last
    assert isinstance(result, Result), outcome
    stages = list(dict.fromkeys(event.stage for event in outcome.progress))
    assert stages == ["reading data", "loading model", "training", "evaluating", "baselines", "saving"]
    assert set(result.report["seconds"]) == set(stages)
    last_step = [event for event in outcome.progress if event.stage == "training"][-1]
    assert (last_step.step, last_step.epoch) == (last_step.steps, 1.0)
    assert last_step.loss_by_task.keys() == LABELS.keys()


def test_trainer_with_the_same_seed_writes_the_same_weights(shared_bench: Bench, outcome: Outcome) -> None:
    """Two processes, one seed: equal bits, so that a result can be checked by doing it again."""
    again = shared_bench.run_process(shared_bench.submit(baselines=False)).last
    files = []
    for result in (outcome.last, again):
        assert isinstance(result, Result), result
        artifact = ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256)
        files.append([artifact.read(name) for name in (ENCODER_FILE, HEADS_FILE)])
    assert files[0] == files[1]
    assert outcome.last != again, "each attempt has an artifact of its own"


def test_trainer_with_bad_data_answers_with_a_failure_for_good(bench: Bench) -> None:
    """The supervisor learns from the answer that another attempt cannot help."""
    (bench.root / "topic.csv").unlink()
    outcome = bench.run_process(bench.submit())
    assert isinstance(outcome.last, Failure), outcome
    assert (outcome.last.code, outcome.last.retryable) == ("INVALID_DATA", False)
    assert "topic.csv" in outcome.last.message
    assert {event.stage for event in outcome.progress} == {"reading data"}


def test_trainer_with_an_unexpected_error_can_be_tried_again() -> None:
    """A bug is no verdict on the job: its type goes into the message, its traceback to stderr."""
    done = subprocess.run(COMMAND, input="not JSON", capture_output=True, text=True, check=True)
    assert '"event":"failure","code":"INTERNAL","message":"ValidationError: ' in done.stdout
    assert '"retryable":true' in done.stdout
    assert "Traceback" in done.stderr


def test_trainer_with_a_library_that_prints_keeps_its_stdout_clean(shared_bench: Bench) -> None:
    """Messages are read by a machine; a greeting from a library must not sit between them."""
    code = (
        "import atexit, os, runpy, worker.training.process as process\n"
        "atexit.register(lambda: os.write(1, b'goodbye from a C library\\n'))\n"
        "use_threads = process.use_threads\n"
        "process.use_threads = lambda threads: (print('hello from a library', flush=True), use_threads(threads))\n"
        "runpy.run_module('worker.training', run_name='__main__')\n"
    )
    work = shared_bench.submit().model_copy(update={"job_id": "0123456789abcdef"})
    outcome = shared_bench.run_process(work, (sys.executable, "-c", code))
    assert isinstance(outcome.last, Failure)
    assert (outcome.last.code, outcome.last.retryable) == ("NOT_FOUND", False)
    assert "hello from a library" in outcome.stderr
    assert "goodbye from a C library" in outcome.stderr


def test_trainer_on_sigterm_ends_at_once(bench: Bench) -> None:
    """A worker that stops must not wait for an epoch to end; also where the parent ignored the signal."""
    with _start_ignoring_sigterm(bench.submit(optimizer={"epochs": 1000})) as process:
        try:
            assert process.stdout is not None
            while '"stage":"training"' not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == -signal.SIGTERM
        finally:
            process.kill()
    assert bench.artifact_ids() == []


def _start_ignoring_sigterm(work: TrainerInput) -> subprocess.Popen[str]:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with tempfile.TemporaryFile("w+") as body:
            body.write(work.to_json_line())
            body.seek(0)
            return subprocess.Popen(COMMAND, stdin=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    finally:
        signal.signal(signal.SIGTERM, before)
