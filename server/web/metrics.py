"""What the server counts, for Prometheus."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from server.feeds.journal import Journal
from server.logs.generation import Cursor
from server.web.operations import LoopDelay
from server.web.stream import EventStream, Site


def exposition(site: Site, journal: Journal, delay: LoopDelay) -> tuple[str, bytes]:
    """All metrics as they are now: media type and text."""
    registry = CollectorRegistry()
    registry.register(_Collector(site, journal, delay))
    ProcessCollector(registry=registry)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


class _Collector(Collector):
    def __init__(self, site: Site, journal: Journal, delay: LoopDelay) -> None:
        self._site = site
        self._journal = journal
        self._delay = delay

    def collect(self) -> Iterable[Metric]:
        yield from self._clients()
        yield from self._log()
        yield _gauge("loop_delay_seconds", "Delay of the event loop, last look.", self._delay.last)
        worst = self._delay.take_worst()
        yield _gauge("loop_delay_worst_seconds", "The same, worst since the last scrape.", worst)

    def _clients(self) -> Iterator[Metric]:
        site, streams = self._site, list(self._site.streams)
        lags = [
            self._lag(stream.reader.cursor)
            for stream in streams
            if isinstance(stream, EventStream) and stream.reader and stream.reader.cursor
        ]
        events = site.ended["events"] + sum(stream.events for stream in streams)
        size = site.ended["bytes"] + sum(stream.sent_bytes for stream in streams)
        yield _gauge("clients", "Streams that are open.", len(streams))
        yield _gauge("clients_behind", "Of these, clients that lack lines.", sum(map(bool, lags)))
        yield _gauge("behind_bytes", "Bytes that the furthest lacks.", max(lags, default=0))
        yield _counter("streams", "Streams that were begun.", site.ended["streams"] + len(streams))
        yield _counter(
            "refused", "Streams that were refused for want of a seat.", site.ended["refused"]
        )
        yield _counter("deliveries", "Events sent, counted for each client.", events)
        yield _counter("sent_bytes", "Bytes of streams, counted for each client.", size)

    def _lag(self, cursor: Cursor) -> int:
        """Bytes of the log that a client has yet to get; of older files only those it reads."""
        generation, end = self._journal.log.end
        if cursor.generation is not generation:
            end = cursor.generation.end or end
            return max(1, end.offset - cursor.position.offset)
        return max(0, end.offset - cursor.position.offset)

    def _log(self) -> Iterator[Metric]:
        journal, log = self._journal, self._journal.log
        resumes = CounterMetricFamily(
            "riacho_resumes", "Clients that came back, by where they read on.", labels=["source"]
        )
        resumes.add_metric(["memory"], journal.resumed_from_memory)
        resumes.add_metric(["disk"], journal.resumed_from_disk)
        yield resumes
        yield _counter("gaps", "Times a client was told of lost lines.", journal.gaps + log.gaps)
        yield _counter("rotations", "Rotations of the log.", log.rotations)
        yield _counter("truncations", "Truncations of the log.", log.truncations)
        yield _counter("tail_restarts", "Times tail had to be replaced.", log.tail_restarts)
        yield _gauge("tail_up", "Whether tail is running.", log.is_tailed)
        yield _gauge("log_size_bytes", "Size of the log's file.", log.size or 0)
        yield _gauge("log_unread_bytes", "Bytes of it that were not read yet.", log.unread)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"riacho_{name}", help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(f"riacho_{name}", help, value=value)
