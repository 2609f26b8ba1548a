"""A server process to measure: started on a store, asked for its counters and its memory, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from polyhead.v1 import inference_pb2, inference_pb2_grpc
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model
from shared.model import Task
from shared.store.folder import FolderStore
from tests.processes import free_port
from tests.published import TASKS, publish

ROOT = Path(__file__).parents[2]
PREDICT = "/polyhead.v1.InferenceService/Predict"
#: Switched off: identical sentences computed once, since closed loops send the same bodies again and again.
SETTINGS = {"SERVER_LOG_LEVEL": "WARNING", "SERVER_DEDUPLICATE": "false"}


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running `python -m server`."""

    target: str
    metrics_port: int
    pid: int
    log: Path

    def counter(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry these labels."""
        return sum(sample.value for sample in self._samples(name) if labels.items() <= sample.labels.items())

    def num_not_answered(self) -> float:
        """Predict calls that ended otherwise than OK, but for those that the load generator gave up."""
        return sum(
            sample.value
            for sample in self._samples("grpc_server_handled_total")
            if sample.labels["grpc_method"] == "Predict" and sample.labels["grpc_code"] not in ("OK", "CANCELLED")
        )

    def _samples(self, name: str) -> list[Sample]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            found = [sample for family in families for sample in family.samples if sample.name == name]
        if not found:
            raise RuntimeError(f"the server has no metric {name}; a figure of 0 would be made up")
        return found

    def num_predictions(self) -> float:
        """Predict calls that were answered with OK so far."""
        return self.counter("grpc_server_handled_total", grpc_method="Predict", grpc_code="OK")

    def resident_mib(self) -> float:
        """Resident memory of the process now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_s(self) -> float:
        """CPU seconds that the process used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def published(tasks: Sequence[Task] = TASKS) -> Iterator[FolderStore]:
    """A store with version 1: the base encoder with drawn heads."""
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        publish(store, resolve_base_model(DEFAULT_BASE_MODEL), tasks)
        yield store


@contextmanager
def serving(store: FolderStore, module: str = "server", **settings: str) -> Iterator[ServerProcess]:
    """`python -m server` on the store, ready to predict; its inference needs no Redis."""
    target, metrics_port = f"127.0.0.1:{free_port()}", free_port()
    environment = os.environ | SETTINGS | settings
    environment |= {
        "STORE_URL": str(store.root), "SERVER_LISTEN": target, "SERVER_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as file:
            process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=file)
        try:
            _wait_until_serving(target)
            yield ServerProcess(target, metrics_port, process.pid, log)
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_serving(target: str) -> None:
    request = inference_pb2.PredictRequest(sentences=["ready?"])
    with grpc.insecure_channel(target) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        for _ in range(300):
            try:
                stub.Predict(request, wait_for_ready=True, timeout=60)
                return
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(0.2)
    raise RuntimeError(f"the server at {target} did not become ready")
