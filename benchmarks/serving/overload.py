"""Five times the capacity offered: what is still answered in time, and whether the server can still be talked to."""

from __future__ import annotations

import statistics
import threading
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.report import Figure
from benchmarks.serving import h2load, open_loop
from benchmarks.serving.processes import PREDICT, ServerProcess, published, serving
from benchmarks.serving.sentences import tweets
from polyhead.v1 import inference_pb2

TIMES = 5
DEADLINE_S = 1.0
NUM_BODIES = 8
#: Eight clients with requests of 32 go round in about 0.7 s, in step: six seconds would count one round more or less.
PEAK_SECONDS = 20
#: A client that reads what it is answered: so many calls a second.
CHECKED_PER_S = 2.0
HEALTH_SERVICES = ("", "polyhead.v1.InferenceService")
HEALTH_PAUSE_S = 0.1


def overload(seconds: int) -> list[Figure]:
    """Goodput for single sentences and for requests of 32, as a share of the peak in a closed loop."""
    figures = []
    with published() as store, serving(store) as server:
        for name, per_request, clients in (("overload-goodput", 1, 64), ("overload-goodput-32", 32, 8)):
            print(f"{name} ...", flush=True)
            figures += _one(name, server, per_request, clients, seconds)
    return figures


def _one(name: str, server: ServerProcess, per_request: int, clients: int, seconds: int) -> list[Figure]:
    texts = tweets(NUM_BODIES * per_request)
    requests = [
        inference_pb2.PredictRequest(sentences=texts[start::NUM_BODIES], tasks=[]) for start in range(NUM_BODIES)
    ]
    closed = [h2load.Load(request, clients // NUM_BODIES) for request in requests]
    h2load.run(server.target, PREDICT, closed, PEAK_SECONDS)
    before = _peak(server, closed)
    resident_mib = server.resident_mib()
    opened = [h2load.Load(request, 1, TIMES * before / NUM_BODIES, DEADLINE_S) for request in requests]
    offered_per_s = sum(load.rate_per_s for load in opened)
    checker = open_loop.start(server.target, CHECKED_PER_S, seconds, texts[:NUM_BODIES], DEADLINE_S)
    with HealthCaller(server.target) as health:
        answered, began_s = server.num_predictions(), time.monotonic()
        outcome = h2load.run(server.target, PREDICT, opened, seconds, warm_up_s=0)
        num_ok, took_s = server.num_predictions() - answered, time.monotonic() - began_s
    health.check(took_s)
    checked = open_loop.answers(checker)
    good = sum(not answer.status for answer in checked)
    goodput = (num_ok - good) / took_s  # the server counts the checking client's calls too
    peak = statistics.mean((before, _peak(server, closed)))
    late = server.counter("polyhead_executed_after_deadline_total")
    print(
        f"  offered {offered_per_s:.0f}/s = {offered_per_s / peak:.1f} times the peak of {peak:.0f}/s; "
        f"{sum(outcome.answered) / seconds:.0f}/s answered or refused, {goodput:.0f}/s with OK; "
        f"a checking client: {good} of {len(checked)} OK; health: {health.num_calls} calls, longest "
        f"{health.longest_ms:.0f} ms; executed after their deadline: {late:.0f}; memory {resident_mib:.0f} -> "
        f"{server.resident_mib():.0f} MiB; generators used {outcome.cpu_s / outcome.seconds:.2f} cores",
        flush=True,
    )
    return [
        Figure(
            name,
            goodput,
            f"calls/s at {offered_per_s / peak:.1f} times the peak",
            f"peak, {peak:.0f} calls/s",
            goodput / peak,
        ),
        Figure(f"{name}-health-ms", health.longest_ms, "ms, longest health answer", "100 ms", health.longest_ms / 100),
    ]


def _peak(server: ServerProcess, loads: list[h2load.Load]) -> float:
    """Calls/s in a closed loop."""
    return sum(h2load.run(server.target, PREDICT, loads, PEAK_SECONDS).answered) / PEAK_SECONDS


class HealthCaller:
    """Asks for the health of the server and of inference ten times a second, and keeps the longest answer."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._check = health_pb2_grpc.HealthStub(self._channel).Check
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._error: Exception | None = None
        self.longest_ms = 0.0
        self.num_calls = 0

    def check(self, seconds: float) -> None:
        """
        Raises:
            RuntimeError: if a call failed, was answered otherwise than SERVING, or there were few in that time.
        """
        if self._error is not None:
            raise RuntimeError(f"health call {self.num_calls + 1} went wrong") from self._error
        # Each round is 0.1 s of waiting and two answers; half of them are enough to say how long the longest took.
        expected = len(HEALTH_SERVICES) * seconds / (HEALTH_PAUSE_S + len(HEALTH_SERVICES) * self.longest_ms / 1e3)
        if self.num_calls < expected / 2:
            raise RuntimeError(f"{self.num_calls} health calls in {seconds:.0f} s are too few to say anything")

    def _ask(self) -> None:
        try:
            while not self._stop.wait(HEALTH_PAUSE_S):
                for service in HEALTH_SERVICES:
                    self._ask_once(service)
        except (grpc.RpcError, RuntimeError) as error:
            self._error = error

    def _ask_once(self, service: str) -> None:
        began_s = time.perf_counter()
        answer = self._check(health_pb2.HealthCheckRequest(service=service), timeout=30)
        self.longest_ms = max(self.longest_ms, 1e3 * (time.perf_counter() - began_s))
        self.num_calls += 1
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise RuntimeError(f"health of {service or 'the server'!r} is {answer.status}, not SERVING")

    def __enter__(self) -> HealthCaller:
        for service in HEALTH_SERVICES:
            self._ask_once(service)
        self.longest_ms, self.num_calls = 0.0, 0
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._channel.close()
