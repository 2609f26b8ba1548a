"""All metrics of one server, on a registry of its own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from server.batching.scheduler import Scheduler
from server.metrics.batches import BatchMetrics
from server.metrics.calls import CallMetrics
from server.metrics.models import ModelMetrics
from server.metrics.queue import QueueMetrics
from server.metrics.releases import ReleaseMetrics
from server.models.manager import ModelManager


class Metrics:
    """One part for each room that is observed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.calls = CallMetrics(self.registry)
        self.models = ModelMetrics(self.registry)
        self.batches = BatchMetrics(self.registry)

    def watch_releases(self, models: ModelManager) -> None:
        """Read at every scrape how far it follows them."""
        self.registry.register(ReleaseMetrics(models))

    def watch_queue(self, scheduler: Scheduler, num_workers_alive: Callable[[], int]) -> None:
        """Read its counts at every scrape, and be told of its batches."""
        scheduler.stats.on_batch = self.batches.computed
        self.registry.register(QueueMetrics(scheduler, num_workers_alive))
