"""`/stream-numbers` and `/slow-numbers`: a stream that ends, and a page that arrives in pieces."""

from tornado.web import HTTPError

from server.feeds.numbers import LARGEST, LONGEST_INTERVAL, NumberFeed, slow_page
from server.web.base import StreamingHandler
from server.web.events import EventStreamHandler


class NumberStreamHandler(EventStreamHandler):
    """`/stream-numbers`: numbers, then the event `close`."""

    parameters = frozenset({"from", "to", "interval"})

    def open_feed(self) -> NumberFeed:
        first = self.integer("from", 1, -LARGEST, LARGEST)
        last = self.integer("to", 10, -LARGEST, LARGEST)
        interval = self.number("interval", 0.3, 0, LONGEST_INTERVAL)
        if last < first:
            raise HTTPError(400, f"to={last} is below from={first}")
        return NumberFeed(first, last, interval)

    def is_over(self, last_event_id: str) -> bool:
        return last_event_id == self.open_feed().end.id


class SlowNumbersHandler(StreamingHandler):
    """`/slow-numbers`: an HTML page that arrives in pieces, streaming without events."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'")
        self.set_header("X-Accel-Buffering", "no")
        self.send(slow_page(1, 10, 0.5))
