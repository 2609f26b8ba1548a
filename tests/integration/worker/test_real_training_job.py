"""A job through a real worker with the real trainer: from an empty store to a release, and a refusal with reasons."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.model_files import load_model
from shared.spec import parse_spec
from shared.store.artifacts import ArtifactReader
from shared.store.jobs import JobState
from shared.store.records import new_id
from shared.store.releases import releases_log
from shared.store.versions import versions_log
from tests.workers.stand import Stand

GOOD, BAD = "a wonderful {} morning", "this is a terrible {} evening"
NOUNS = "sun tree river road train coffee bread cake fire game garden house list menu movie music plan room school song"
TIMES = "monday summer winter long"


@pytest.fixture
def stand(tmp_path: Path, tiny_base: Path) -> Iterator[Stand]:
    words = [f"{time} {noun}" for noun in NOUNS.split() for time in TIMES.split()]
    rows = [f"{text.format(word)},{label}" for word in words for text, label in ((GOOD, "good"), (BAD, "bad"))]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mood.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "data/broken.csv").write_text("\n".join(["text,label", *rows, "what is this,ugly"]))
    with Stand(tmp_path, command=("-m", "worker")) as stand:
        stand.settings |= {"BASE_MODEL": str(tiny_base), "WORKER_DATA_ROOTS": str(tmp_path / "data")}
        yield stand


def submit(stand: Stand, file: str, **fields: Any) -> str:
    body = {"tasks": [{"name": "mood", "labels": ["good", "bad"], "data": {"train": file}}], "baselines": False}
    job, _ = stand.jobs.submit(new_id(), parse_spec({**body, **fields}))
    stand.ring(job.job_id)
    return job.job_id


def test_job_on_an_empty_store_ends_in_a_release_that_verifies(stand: Stand) -> None:
    """The product's spine, worker side: base encoder first, then the job's model, each bytes as published."""
    job_id = submit(stand, "mood.csv")
    stand.start_worker()
    stand.wait_until_released(job_id)
    job = stand.job(job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert job.result.metrics["mood"]
    assert job.result.report["data"]
    for version in versions_log(stand.store).entries():
        load_model(ArtifactReader(stand.store, version.artifact_id, version.manifest_sha256))
    number = stand.versions_of(job_id)[0]
    assert releases_log(stand.store).entries()[stand.releases_of(job_id)[0] - 1].stable == number


def test_row_with_an_unknown_label_fails_the_job_by_name(stand: Stand) -> None:
    """The person who sent the file reads where to look, and no attempt is wasted on trying again."""
    stand.publish_base()
    job_id = submit(stand, "broken.csv")
    stand.start_worker()
    stand.wait_until(lambda: stand.job(job_id).is_finished)
    result = stand.job(job_id).result
    assert result is not None
    assert (result.state, result.error_code) == (JobState.FAILED, "INVALID_DATA")
    assert all(word in result.error_message for word in ("broken.csv", "row", "label", "ugly"))
    assert stand.kinds(job_id) == ["claim", "result"]


def test_trainer_killed_while_training_is_trained_again(stand: Stand) -> None:
    """As the machine's memory guard would: the attempt counts, the next one publishes."""
    stand.publish_base()
    job_id = submit(stand, "mood.csv", optimizer={"epochs": 1000})
    worker = stand.start_worker()
    stand.wait_until(lambda: "trainer started" in stand.logs())
    trainer = int(stand.logs().split('"pid": ')[1].split(",")[0])
    os.kill(trainer, signal.SIGKILL)
    stand.wait_until(lambda: stand.kinds(job_id)[:3] == ["claim", "failure", "claim"])
    assert "killed by SIGKILL" in stand.job(job_id).log[1].error_message
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    assert stand.kinds(job_id) == ["claim", "failure", "claim"]
