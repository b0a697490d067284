"""What the server counts, for Prometheus."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from server.feeds.contract import Logs, Status
from server.web.context import Context
from server.web.events import EventBody
from server.web.monitoring import LoopDelay


def exposition(context: Context, logs: Logs, delay: LoopDelay) -> tuple[str, bytes]:
    """All metrics as they are now: media type and text."""
    registry = CollectorRegistry()
    registry.register(_Collector(context, logs, delay))
    ProcessCollector(registry=registry)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


class _Collector(Collector):
    def __init__(self, context: Context, logs: Logs, delay: LoopDelay) -> None:
        self._context = context
        self._logs = logs
        self._delay = delay

    def collect(self) -> Iterable[Metric]:
        yield from self._clients()
        yield from self._log()
        yield _gauge("loop_delay_seconds", "Delay of the event loop, last look.", self._delay.last)
        worst = self._delay.take_worst()
        yield _gauge("loop_delay_worst_seconds", "The same, worst since the last scrape.", worst)

    def _clients(self) -> Iterator[Metric]:
        context, streams = self._context, list(self._context.streams)
        lags = [
            stream.lag
            for stream in streams
            if isinstance(stream, EventBody) and stream.lag is not None
        ]
        events = context.ended["events"] + sum(stream.events for stream in streams)
        size = context.ended["bytes"] + sum(stream.sent_bytes for stream in streams)
        yield _gauge("clients", "Streams that are open.", len(streams))
        yield _gauge("clients_behind", "Of these, clients that lack lines.", sum(map(bool, lags)))
        yield _gauge("behind_bytes", "Bytes that the furthest lacks.", max(lags, default=0))
        yield _counter(
            "streams", "Streams that were begun.", context.ended["streams"] + len(streams)
        )
        yield _counter(
            "refused",
            "Streams that were refused since there were too many.",
            context.ended["refused"],
        )
        yield _counter("deliveries", "Events sent, counted for each client.", events)
        yield _counter("sent_bytes", "Bytes of streams, counted for each client.", size)

    def _log(self) -> Iterator[Metric]:
        statuses = self._statuses()
        resumes = CounterMetricFamily(
            "riacho_resumes",
            "Clients that came back, by where they read on.",
            labels=["log", "source"],
        )
        for name, status in statuses.items():
            resumes.add_metric([name, "memory"], status.counters["resumes_memory"])
            resumes.add_metric([name, "disk"], status.counters["resumes_disk"])
        yield resumes
        for key, metric, help in _COUNTERS:
            counter = CounterMetricFamily(f"riacho_{metric}", help, labels=["log"])
            for name, status in statuses.items():
                counter.add_metric([name], status.counters[key])
            yield counter
        for metric, help, value in _GAUGES:
            gauge = GaugeMetricFamily(f"riacho_{metric}", help, labels=["log"])
            for name, status in statuses.items():
                gauge.add_metric([name], value(status))
            yield gauge
        yield _gauge("logs", "Logs that are served.", len(self._logs.names))
        yield _gauge("logs_followed", "Of these, logs that somebody reads.", len(statuses))

    def _statuses(self) -> dict[str, Status]:
        """How the logs are doing that are followed, MOST_LABELS of them at the most."""
        logs = ((name, self._logs.get(name)) for name in self._logs.names)
        statuses = {name: log.status() for name, log in logs if log}
        known = {name: status for name, status in statuses.items() if status}
        return dict(list(known.items())[:MOST_LABELS])


MOST_LABELS = 500
"""Logs that have metrics of their own."""

_COUNTERS = (
    ("gaps", "gaps", "Times a client was told of lost lines."),
    ("rotations", "rotations", "Rotations of the log."),
    ("truncations", "truncations", "Truncations of the log."),
    ("tail_restarts", "tail_restarts", "Times tail was replaced."),
    ("tail_lates", "tail_late", "Times tail was late, and the log was read without it."),
)

_GAUGES: tuple[tuple[str, str, Callable[[Status], float]], ...] = (
    ("tail_up", "Whether tail is running.", lambda status: status.is_tailed),
    ("log_readable", "Whether the log can be read.", lambda status: not status.progress.problem),
    ("log_size_bytes", "Size of the log's file.", lambda status: status.size),
    (
        "log_unread_bytes",
        "Bytes of it that were not read yet.",
        lambda status: status.progress.unread,
    ),
)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"riacho_{name}", help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(f"riacho_{name}", help, value=value)
