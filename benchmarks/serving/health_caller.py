"""Health calls beside a load, in a thread of their own: the longest answer, or words that say why there is none."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

#: Overall, and what the load is sent to.
SERVICES = ("", "polyhead.v1.InferenceService")
PAUSE_S = 0.1


class HealthCaller:
    """Asks for the health of each service ten times a second while it is entered. Ends at the first that is not well.

    `longest_ms` and `num_calls` are of the answered calls; `check` says whether they mean anything.
    """

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._check = health_pb2_grpc.HealthStub(self._channel).Check
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, "health")
        self._asking: Future[None] = Future()
        self.longest_ms = 0.0
        self.num_calls = 0

    def check(self, seconds: float) -> None:
        """For afterwards: `seconds` is how long it was entered.

        Raises:
            RuntimeError: if a call failed, was answered otherwise than SERVING, or there were too few in that time.
        """
        self._asking.result()
        # A round is a pause and an answer of each service. Were half of them missing, the longest may be missing too.
        round_s = PAUSE_S + len(SERVICES) * self.longest_ms / 1e3
        wanted = len(SERVICES) * seconds / round_s / 2
        if self.num_calls < wanted:
            raise RuntimeError(
                f"{self.num_calls} health calls in {seconds:.0f} s, at least {wanted:.0f} wanted: "
                "too few to say how long the longest took"
            )

    def _ask(self) -> None:
        while not self._stop.wait(PAUSE_S):
            self._ask_all()

    def _ask_all(self) -> None:
        for service in SERVICES:
            name = f"health call {self.num_calls + 1}, of {service or 'the whole server'},"
            began_s = time.perf_counter()
            try:
                answer = self._check(health_pb2.HealthCheckRequest(service=service), timeout=30)
            except grpc.RpcError as error:
                raise RuntimeError(f"{name} failed") from error
            self.longest_ms = max(self.longest_ms, 1e3 * (time.perf_counter() - began_s))
            self.num_calls += 1
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
                raise RuntimeError(f"{name} was answered {status}, not SERVING")

    def __enter__(self) -> HealthCaller:
        self._ask_all()  # connects: not counted
        self.longest_ms, self.num_calls = 0.0, 0
        self._asking = self._thread.submit(self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.shutdown()
        self._channel.close()
