"""`/stream-logs` and `/logs`: the lines of a log as events, and what logs there are."""

from tornado.web import HTTPError

from server.feeds.contract import Feed, Last, LogSource, Oldest, Start
from server.settings import MAX_BACKLOG
from server.web.base import BaseHandler
from server.web.events import EventStreamHandler


class LogStreamHandler(EventStreamHandler):
    """`/stream-logs`: the lines of a log."""

    parameters = frozenset({"backlog", "from"})

    def initialize(self, feed: Feed) -> None:
        self._feed = feed

    def open_feed(self) -> Feed:
        return self._feed

    def start_at(self) -> Start:
        backlog = self.integer("backlog", self.context.settings.backlog, 0, MAX_BACKLOG)
        start = self.get_query_argument("from", None)
        if start not in (None, "start"):
            raise HTTPError(400, f"from={start!r} is not known: give from=start, or leave it out")
        return Oldest() if start else Last(backlog)


class LogsHandler(BaseHandler):
    """`/logs`: the logs that are served, as JSON."""

    def initialize(self, feed: LogSource) -> None:
        self._feed = feed

    async def get(self) -> None:
        self.finish({"logs": [await self._feed.describe()]})
