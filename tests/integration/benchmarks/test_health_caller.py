"""The figure "longest health answer": it is one only if the calls went on, and were answered SERVING."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from benchmarks.serving.health_caller import SERVICES, HealthCaller

INFERENCE = "polyhead.v1.InferenceService"
WAIT_S = 120
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Servicer(HealthServicer):
    """The real servicer, which is told for which service its calls shall be answered badly from the third on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.failing = self.not_serving = "no service"
        self.called_often, self.answered_badly = threading.Event(), threading.Event()

    def Check(self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext) -> object:
        self.calls.append(request.service)
        if self.calls.count(INFERENCE) >= 4:
            self.called_often.set()
        if self.calls.count(request.service) >= 3 and request.service in (self.failing, self.not_serving):
            self.answered_badly.set()
            if request.service == self.failing:
                context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            return health_pb2.HealthCheckResponse(status=NOT_SERVING)
        return super().Check(request, context)


@pytest.fixture
def health() -> Servicer:
    servicer = Servicer()
    for service in SERVICES:
        servicer.set(service, SERVING)
    return servicer


@pytest.fixture
def target(health: Servicer) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_both_services_are_asked_and_counted_and_too_few_calls_are_an_error(health: Servicer, target: str) -> None:
    """A caller that got no turn says nothing about the longest answer."""
    with HealthCaller(target) as caller:
        assert health.called_often.wait(WAIT_S)
    assert caller.num_calls == len(health.calls) - len(SERVICES)  # less those that made the connection
    assert {*health.calls} == {"", INFERENCE}
    assert caller.longest_ms > 0
    caller.check(seconds=0.3)
    with pytest.raises(RuntimeError, match=rf"^{caller.num_calls} health calls in 36000000 s, at least \d+ wanted"):
        caller.check(seconds=36e6)


@pytest.mark.parametrize("service", SERVICES)
def test_answer_other_than_serving_is_an_error(health: Servicer, target: str, service: str) -> None:
    """A quick answer that says NOT_SERVING is not what the table promises."""
    health.not_serving = service
    with HealthCaller(target) as caller:
        assert health.answered_badly.wait(WAIT_S)
    with pytest.raises(RuntimeError, match=f"of {service or 'the whole server'}, was answered NOT_SERVING"):
        caller.check(seconds=0.3)


@pytest.mark.parametrize("service", SERVICES)
def test_failed_call_is_an_error_and_not_the_end_of_a_thread(health: Servicer, target: str, service: str) -> None:
    """Else the figure is that of the calls before."""
    health.failing = service
    with HealthCaller(target) as caller:
        assert health.answered_badly.wait(WAIT_S)
    with pytest.raises(RuntimeError, match=f"of {service or 'the whole server'}, failed") as failed:
        caller.check(seconds=0.3)
    assert "away" in str(failed.value.__cause__)


def test_service_that_is_not_well_at_the_start_ends_the_bench_there(health: Servicer, target: str) -> None:
    """Not after a minute of load."""
    health.set(INFERENCE, NOT_SERVING)
    with pytest.raises(RuntimeError, match=f"health call 2, of {INFERENCE}, was answered NOT_SERVING"):
        HealthCaller(target).__enter__()
