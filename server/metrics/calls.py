"""Calls by method and status. Called on the event loop, twice a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: From a lone short text (1 to 3 ms) to a long queue; beyond stand streams.
CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHOD = ("grpc_type", "grpc_service", "grpc_method")


class MethodName(Protocol):
    """What names a method."""

    @property
    def kind(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def name(self) -> str: ...


@dataclass(slots=True)
class _Series:
    """The series of one method, looked up once."""

    started: Counter
    seconds: Histogram
    running: Gauge
    handled: dict[str, Counter] = field(default_factory=dict)


class CallMetrics:
    """An observer of calls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._started = Counter("grpc_server_started_total", "Calls that came in.", METHOD, registry=registry)
        self._handled = Counter(
            "grpc_server_handled_total", "Calls that ended, by status.", (*METHOD, "grpc_code"), registry=registry
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from a call's start to its end.",
            METHOD,
            registry=registry,
            buckets=CALL_SECONDS,
        )
        self._running = Gauge("polyhead_calls_in_flight", "Calls that run now.", METHOD, registry=registry)
        self._series: dict[MethodName, _Series] = {}

    def started(self, method: MethodName) -> None:
        series = self._series.get(method)
        if series is None:
            labels = (method.kind, method.service, method.name)
            series = _Series(
                self._started.labels(*labels), self._seconds.labels(*labels), self._running.labels(*labels)
            )
            self._series[method] = series
        series.started.inc()
        series.running.inc()

    def ended(self, method: MethodName, status: str, seconds: float) -> None:
        series = self._series[method]
        handled = series.handled.get(status)
        if handled is None:
            handled = self._handled.labels(method.kind, method.service, method.name, status)
            series.handled[status] = handled
        handled.inc()
        series.seconds.observe(seconds)
        series.running.dec()
