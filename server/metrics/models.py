"""Which versions serve, what loading them took, and how many requests each answers. Called on the event loop."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.metrics.calls import CALL_SECONDS

#: From a tiny model out of the page cache to a large one from a slow disk.
LOAD_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class ModelMetrics:
    """An observer of models."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._serving = Gauge(
            "polyhead_model_serving", "1: this version answers this role now.", ("version", "role"), registry=registry
        )
        self._swaps = Counter("polyhead_model_swaps_total", "Changes of what serves.", registry=registry)
        self._seconds = Histogram(
            "polyhead_model_load_seconds",
            "Time to load, verify and warm a version beside the serving one.",
            registry=registry,
            buckets=LOAD_SECONDS,
        )
        self._refused = Counter(
            "polyhead_model_loads_refused_total",
            "Versions that were not loaded, by error code.",
            ("reason",),
            registry=registry,
        )
        self._requests = Counter(
            "polyhead_model_requests_total",
            "Requests by the version that answers, and why it: stable, canary, named.",
            ("version", "route"),
            registry=registry,
        )
        self._answered = Histogram(
            "polyhead_model_seconds",
            "Time from a request's getting its version to its last sentence computed.",
            ("version",),
            registry=registry,
            buckets=CALL_SECONDS,
        )
        self._failed = Counter(
            "polyhead_model_requests_failed_total",
            "Requests that got a version and were not computed, by error code.",
            ("version", "reason"),
            registry=registry,
        )
        self._roles: dict[str, int] = {}

    def loaded(self, version: int, seconds: float) -> None:
        self._seconds.observe(seconds)

    def refused(self, version: int, code: str) -> None:
        self._refused.labels(code).inc()

    def serving(self, versions: Mapping[str, int]) -> None:
        if dict(versions) == self._roles:
            return
        self._swaps.inc()
        for role, version in self._roles.items():
            self._serving.remove(str(version), role)
        self._roles = dict(versions)
        for role, version in self._roles.items():
            self._serving.labels(str(version), role).set(1)

    def routed(self, version: int, route: str) -> None:
        self._requests.labels(str(version), route).inc()

    def answered(self, version: int, seconds: float) -> None:
        self._answered.labels(str(version)).observe(seconds)

    def failed(self, version: int, code: str) -> None:
        self._failed.labels(str(version), code).inc()
