"""The HTTP port that Prometheus scrapes: /metrics, as text or OpenMetrics. Runs in threads of its own."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, start_http_server

log = structlog.get_logger(__name__)


class MetricsEndpoint:
    """Open from construction until `close`. `port` is the one that was bound."""

    def __init__(self, listen: str, registry: CollectorRegistry) -> None:
        """
        Raises:
            RuntimeError: if the address cannot be bound.
        """
        host, _, port = listen.rpartition(":")
        try:
            self._server, self._thread = start_http_server(int(port), host.strip("[]"), registry)
        except (OSError, OverflowError) as error:
            raise RuntimeError(f"metrics cannot be offered on SERVER_METRICS_LISTEN={listen}: {error}") from None
        self.port = self._server.server_port
        log.info("metrics", address=listen, port=self.port)

    def close_blocking(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
