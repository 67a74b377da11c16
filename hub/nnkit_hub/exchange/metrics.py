"""Figures on the exchange in Prometheus's format, for a service of the hub with the scope `read:metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MAX_LATENCIES = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120)
"""Upper bounds in seconds of the histogram's bins."""


class ExchangeMetrics:
    """The counters of one exchange process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("request", "status")
        self.requests = Counter(
            "nnkit_exchange_requests", "Requests that were answered, refusals included.", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "nnkit_exchange_request_seconds", "Time from a request's header to the end of its answer.", ("request",),
            buckets=MAX_LATENCIES, registry=self.registry,
        )  # fmt: skip
        self.stored = Counter(
            "nnkit_exchange_stored_bytes", "Size of the files that were stored.", ("kind",), registry=self.registry
        )
        self.free = Gauge("nnkit_exchange_free_bytes", "Free space on the exchange's disk.", registry=self.registry)

    def count_request(self, request: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.labels(request, str(status)).inc()
        self.seconds.labels(request).observe(seconds)
