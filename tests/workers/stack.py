"""A whole stack of real processes on a tiny base model: Valkey, server and worker, and a client to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyhead import Client
from polyhead.errors import PolyheadError
from polyhead.results import Job, JobState
from shared.model_files import LoadedModel, load_model
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.versions import versions_log
from tests.processes import free_port
from tests.workers.stand import REPOSITORY, Stand

#: Longest wait for a job, with all that are queued before it; a bound for a broken run, not an expectation.
JOB_PATIENCE_S = 240.0


class Stack:
    """Use as a context. Data lie in `folder`/data; jobs run one after the other, in the order in which they came."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self._stand = Stand(folder, command=("-m", "worker"))
        self._stand.settings |= {"BASE_MODEL": str(base), "WORKER_DATA_ROOTS": str(self.data)}
        self._address = f"127.0.0.1:{free_port()}"
        self._folder = folder

    def __enter__(self) -> Stack:
        self._stand.__enter__()
        environment = os.environ | {
            "STORE_URL": str(self.store.root),
            "REDIS_URL": self._stand.redis_url,
            "SERVER_LISTEN": self._address,
            "SERVER_POLL_S": "0.05",
        }
        with (self._folder / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "server"], cwd=REPOSITORY, env=environment, stderr=log
            )
        self._stand.start_worker()
        self.client = Client(self._address)
        # A fresh store: the worker publishes the base encoder, and the server begins to answer.
        self._stand.wait_until(self._is_serving)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.terminate()
        self._server.wait()
        self._stand.__exit__(*_)

    @property
    def store(self) -> FolderStore:
        return self._stand.store

    def submit(self, spec: Mapping[str, Any]) -> str:
        """Accept a job over gRPC; its id."""
        return self.client.train_job(spec).id

    def finished(self, job_id: str) -> Job:
        """The job when it has ended and, if it succeeded, has its version."""
        deadline = time.monotonic() + JOB_PATIENCE_S
        while True:
            job = self.client.get_job(job_id)
            if job.is_finished and (job.state is not JobState.SUCCEEDED or job.version):
                return job
            assert time.monotonic() < deadline, f"the job has not ended: {job}\n{self._stand.logs()}"
            time.sleep(0.1)

    def train(self, spec: Mapping[str, Any]) -> Job:
        """A job that must succeed, from submission to version."""
        return self.succeeded(self.submit(spec))

    def succeeded(self, job_id: str) -> Job:
        job = self.finished(job_id)
        assert job.state is JobState.SUCCEEDED, f"{job.error}\n{self._stand.logs()}"
        return job

    def artifact(self, version: int) -> ArtifactReader:
        """The version's artifact, to read hashes and bytes of."""
        record = versions_log(self.store).entries()[version - 1]
        return ArtifactReader(self.store, record.artifact_id, record.manifest_sha256)

    def model(self, version: int) -> LoadedModel:
        """The version's weights, verified."""
        return load_model(self.artifact(version))

    def wait_until_served(self, version: int) -> None:
        self._stand.wait_until(lambda: self._served() >= version)

    def _served(self) -> int:
        model = self.client.server_info().model
        return model.version if model else 0

    def _is_serving(self) -> bool:
        try:
            return self._served() > 0
        except PolyheadError:  # the server is not up yet
            return False
