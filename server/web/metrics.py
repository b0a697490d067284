"""What the server counts, for Prometheus."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from server.feeds.contract import LogSource
from server.web.context import Context
from server.web.events import EventBody
from server.web.monitoring import LoopDelay


def exposition(context: Context, feed: LogSource, delay: LoopDelay) -> tuple[str, bytes]:
    """All metrics as they are now: media type and text."""
    registry = CollectorRegistry()
    registry.register(_Collector(context, feed, delay))
    ProcessCollector(registry=registry)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


class _Collector(Collector):
    def __init__(self, context: Context, feed: LogSource, delay: LoopDelay) -> None:
        self._context = context
        self._feed = feed
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
        status = self._feed.status()
        counters = status.counters
        resumes = CounterMetricFamily(
            "riacho_resumes", "Clients that came back, by where they read on.", labels=["source"]
        )
        resumes.add_metric(["memory"], counters["resumes_memory"])
        resumes.add_metric(["disk"], counters["resumes_disk"])
        yield resumes
        yield _counter("gaps", "Times a client was told of lost lines.", counters["gaps"])
        yield _counter("rotations", "Rotations of the log.", counters["rotations"])
        yield _counter("truncations", "Truncations of the log.", counters["truncations"])
        yield _counter("tail_restarts", "Times tail was replaced.", counters["tail_restarts"])
        yield _gauge("tail_up", "Whether tail is running.", status.is_tailed)
        yield _gauge("log_readable", "Whether the log can be read.", not status.problem)
        yield _gauge("log_size_bytes", "Size of the log's file.", status.size)
        yield _gauge("log_unread_bytes", "Bytes of it that were not read yet.", status.unread)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"riacho_{name}", help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(f"riacho_{name}", help, value=value)
