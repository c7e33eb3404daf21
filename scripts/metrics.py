"""The health of the system as Prometheus metrics, for node_exporter's textfile collector or for stdout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loaders.errors import UsageError

_PREFIX = "property_manager"


class StatusCollector(Collector):
    """Metrics of one status, as `scripts.status.system_status` returns it. Times are Unix seconds, sizes bytes."""

    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Every metric; a source that never had a good session or sync has no such time."""
        yield from self._of_sources()
        yield from self._of_sessions()
        yield from self._of_the_system()

    def _of_sources(self) -> Iterator[Metric]:
        sources = self._status["sources"]
        listings = _gauge("listings", "Listings of the live table.", "source", "status")
        for source in sources:
            for state in ("active", "removed"):
                listings.add_metric([source["source"], state], source[f"{state}_listings"])
        yield listings
        for name, documentation, key in (
            ("last_good_session_timestamp_seconds", "When the last good session was observed.", "last_good_session_at"),
            ("last_good_sync_timestamp_seconds", "When the last good sync of the source ended.", "last_sync_at"),
            ("lag_seconds", "Age of the last good session.", "lag_seconds"),
            ("late", "Whether the last good session is older than the source's freshness_hours.", "is_late"),
            ("pending_sessions", "Sessions that wait for a sync.", "pending_sessions"),
            ("pending_since_timestamp_seconds", "Since when the oldest session waits for a sync.", "pending_since"),
            ("crawl_open_pages", "Pages that unfinished crawls have still to read.", "open_pages"),
        ):
            gauge = _gauge(name, documentation, "source")
            for source in sources:
                if source[key] is not None:
                    gauge.add_metric([source["source"]], _number(source[key]))
            yield gauge

    def _of_sessions(self) -> Iterator[Metric]:
        counted = Counter((each["source"], each["session_status"]) for each in self._status["attention"])
        gauge = _gauge("sessions_needing_attention", "Sessions that did not end well.", "source", "status")
        for labels, sessions in sorted(counted.items()):
            gauge.add_metric(list(labels), sessions)
        yield gauge

    def _of_the_system(self) -> Iterator[Metric]:
        storage, queues, is_broken = (self._status[key] for key in ("storage", "queues", "unfinished_sync"))
        for name, documentation, value in (
            (
                "sync_unfinished",
                "Whether the last sync failed or was broken off.",
                is_broken is not None,
            ),
            ("published_version", "Version of the live table.", queues["version"] or 0),
            ("feed_last_sequence", "Last sequence number of the change feed.", queues["last_sequence"] or 0),
            (
                "notification_queue_usage_ratio",
                "Used share of the notification queue.",
                queues["notification_usage"],
            ),
            ("database_size_bytes", "Size of the database.", storage["database_bytes"]),
            ("disk_free_bytes", "Free space on the disk of PROPERTY_HOME.", storage["free_bytes"]),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=float(value))
        if storage["database_free_bytes"] is not None:
            free = _gauge("database_disk_free_bytes", "Free space on the disk of the embedded server's data.")
            free.add_metric([], storage["database_free_bytes"])
            yield free
        tables = _gauge("table_size_bytes", "Size of the largest tables with their indexes.", "table")
        for name, size in storage["table_bytes"].items():
            tables.add_metric([name], size)
        yield tables


def metrics_text(status: dict[str, Any]) -> str:
    """The metrics in the text format of Prometheus."""
    return generate_latest(_registry(status)).decode()


def write_metrics(status: dict[str, Any], path: Path) -> None:
    """Write the metrics to a file that is replaced as a whole. Raises UsageError where it cannot be written."""
    try:
        write_to_textfile(str(path), _registry(status))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "Name a file in a folder you may write.") from error


def _registry(status: dict[str, Any]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(StatusCollector(status))
    return registry


def _gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, labels=labels)


def _number(value: datetime | float) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)
