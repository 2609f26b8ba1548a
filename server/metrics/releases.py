"""How far this server follows the releases, read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from server.models.manager import ModelManager


class ReleaseMetrics(Collector):
    """Of one model manager."""

    def __init__(self, models: ModelManager) -> None:
        self._models = models

    def describe(self) -> list[Metric]:
        """Nothing in advance: the registry would collect to find the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        models = self._models
        for name, text, number in (
            ("polyhead_release_newest", "Number of the newest release that was seen.", len(models.releases)),
            ("polyhead_release_followed", "Number of the release that was followed last.", models.routes.release),
            (
                "polyhead_release_trouble",
                "1: the last look at the releases failed, or a load is tried again.",
                bool(models.trouble),
            ),
            (
                "polyhead_models_refused",
                "Versions that releases name and that are not loaded.",
                len(models.failures.all()),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=number)
