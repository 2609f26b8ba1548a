"""All metrics of one server, on a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from server.metrics.calls import CallMetrics
from server.metrics.models import ModelMetrics


class Metrics:
    """One part for each room that is observed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.calls = CallMetrics(self.registry)
        self.models = ModelMetrics(self.registry)
