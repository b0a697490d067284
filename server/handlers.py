"""HTTP in, frames out."""

import asyncio
import math
import re
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from server.event import KEEP_ALIVE, MEDIA_TYPE, fact, last_event_id
from server.journal import Journal
from server.numbers import LARGEST, LONGEST_INTERVAL, count, count_after_gap, slow_page
from server.security import allow_origin_header
from server.settings import MAX_BACKLOG, Settings

DEAD_AFTER = 8
"""A client that takes nothing for so many times the keep-alive interval is dropped."""


@dataclass
class Site:
    """What all handlers share: the setting `riacho` of a Tornado application."""

    settings: Settings
    streaming: set["StreamingHandler"] = field(default_factory=set)

    async def shut_down(self, seconds: float) -> None:
        """End all open streams; leave those that take longer."""
        tasks = [handler.shut_down() for handler in list(self.streaming)]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


class SiteHandler(RequestHandler):
    """A handler that pages of allowed origins may read, with errors in plain text."""

    @property
    def site(self) -> Site:
        site: Site = self.application.settings["riacho"]
        return site

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        allowed = self.site.settings.allowed_origins
        origin = allow_origin_header(self.request.headers.get("Origin"), allowed)
        if origin:
            self.set_header("Access-Control-Allow-Origin", origin)
        if allowed and origin != "*":
            self.set_header("Vary", "Origin")

    def options(self, *args: str) -> None:
        """The answer to a preflight request (Fetch standard, section 3.3)."""
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Last-Event-ID, Cache-Control")
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        reason = None
        if isinstance(error, HTTPError) and error.log_message:
            reason = error.log_message % error.args
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{reason or self._reason}\n")

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number in the query. Raises HTTPError 400 unless `least` <= number <= `most`."""
        text = self.get_query_argument(name, None)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise HTTPError(400, f"{name}={text!r} is not a number from {least:g} to {most:g}")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """The same for a whole number."""
        text = self.get_query_argument(name, None)
        try:
            value = default if text is None else int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise HTTPError(400, f"{name}={text!r} is not a whole number from {least} to {most}")
        return value


class StreamingHandler(SiteHandler):
    """Sends a body piece by piece, at the pace at which the client takes it."""

    _task: asyncio.Task[Any] | None = None
    _is_shutting_down = False

    last_piece = b""
    """What a client gets last when the server shuts down."""

    async def send(self, pieces: AsyncIterator[bytes]) -> None:
        """Send pieces until they end, the client leaves or the server shuts down."""
        if self.connection.closed():
            return  # the client has left before anything could be sent
        self._drop_dead_peer()
        self._task = asyncio.current_task()
        self.site.streaming.add(self)
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    self.write(piece)
                    await self.flush()
                    self.sent()
        except StreamClosedError:
            pass
        except asyncio.CancelledError:
            if not self._is_shutting_down:
                return  # the client has left
            self.write(self.last_piece)
            await self.finish()
        finally:
            self._task = None
            self.site.streaming.discard(self)

    def _drop_dead_peer(self) -> None:
        """Let the system end a connection that has taken nothing for too long (tcp(7)).

        Without that, a peer that is gone without a word, or never reads again, would
        hold its connection for ever.
        """
        if self.connection.socket.family in (socket.AF_INET, socket.AF_INET6):
            seconds = self.site.settings.keep_alive * DEAD_AFTER
            self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                self.connection.socket.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000)
                )

    @property
    def connection(self) -> IOStream:
        """The network stream of this request."""
        assert isinstance(self.request.connection, HTTP1Connection)
        return self.request.connection.stream

    def sent(self) -> None:
        """A piece has been handed to the network."""

    def on_connection_close(self) -> None:
        if self._task:
            self._task.cancel()

    def shut_down(self) -> "asyncio.Task[Any]":
        """End the body cleanly, now; the task is done when the client has it all."""
        assert self._task is not None
        self._is_shutting_down = True
        self._task.cancel()
        return self._task


class EventStreamHandler(StreamingHandler):
    """A stream of events. A stream of your own needs only its `open_stream`."""

    last_piece = fact("shutdown")
    _last_sent = 0.0
    _timer: asyncio.TimerHandle | None = None

    def open_stream(self, last_event_id: str | None) -> AsyncIterator[bytes] | None:
        """The frames to send, those after the event `last_event_id` if the client names one.

        None if there will never be more: the client is told not to reconnect. Raises
        HTTPError for a bad request.
        """
        raise NotImplementedError

    async def get(self) -> None:
        # The header is what EventSource sends by itself; the query is for clients that
        # cannot set a header.
        id = last_event_id(self.request.headers.get("Last-Event-ID"))
        frames = self.open_stream(id or self.get_query_argument("last_event_id", None) or None)
        if frames is None:
            # "Clients can be told to stop reconnecting using the HTTP 204 No Content
            # response code." (WHATWG HTML, section 9.2.1)
            self.set_status(204)
            return
        self._set_stream_headers()
        # Without a blank line after it: some clients take one for the end of an event.
        self.write(b"retry: %d\n: stream opened\n" % self.site.settings.retry)
        self.flush()
        self.sent()
        self._keep_alive()
        try:
            await self.send(frames)
        finally:
            if self._timer:
                self._timer.cancel()

    async def head(self) -> None:
        self._set_stream_headers()
        self.set_header("Transfer-Encoding", "chunked")
        await self.flush()

    def _set_stream_headers(self) -> None:
        self.set_header("Content-Type", MEDIA_TYPE)
        # no-transform: a proxy must not compress, which would hold events back
        self.set_header("Cache-Control", "no-cache, no-transform")
        self.set_header("X-Accel-Buffering", "no")

    def sent(self) -> None:
        self._last_sent = asyncio.get_running_loop().time()

    def _keep_alive(self) -> None:
        """Send a comment if the stream has been silent for long enough, and look again."""
        loop = asyncio.get_running_loop()
        interval = self.site.settings.keep_alive
        if loop.time() - self._last_sent >= interval:
            if not self.connection.closed() and not self.connection.writing():
                self.write(KEEP_ALIVE)
                self.flush()
            self.sent()
        self._timer = loop.call_at(self._last_sent + interval, self._keep_alive)


class LogStreamHandler(EventStreamHandler):
    """`/stream-logs`: the lines of a log."""

    def initialize(self, journal: Journal) -> None:
        self._journal = journal

    def open_stream(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        backlog = self.integer("backlog", self.site.settings.backlog, 0, MAX_BACKLOG)
        start = self.get_query_argument("from", "end")
        if start not in ("start", "end"):
            raise HTTPError(400, f"from={start!r} is neither start nor end")
        chunked = self.request.version == "HTTP/1.1"
        push = self._push if chunked else None
        return self._journal.events(last_event_id, backlog, start == "start", push)

    def _push(self, chunk: bytes) -> bool:
        """Hand a chunk straight to the socket, unless something else waits to be sent.

        That saves a task switch and a copy for each client and line. What the socket
        does not take now waits in the stream, and the next chunk is refused.
        """
        connection = self.connection
        if connection.closed() or connection.writing():
            return False
        try:
            taken = connection.write_to_fd(memoryview(chunk))
        except OSError:
            return False  # full, or broken: whoever writes next finds out
        if taken < len(chunk):
            connection.write(chunk[taken:])
        self.sent()
        return True


class NumberStreamHandler(EventStreamHandler):
    """`/stream-numbers`: numbers, then the event `close`."""

    def open_stream(self, last_event_id: str | None) -> AsyncIterator[bytes] | None:
        first = self.integer("from", 1, -LARGEST, LARGEST)
        last = self.integer("to", 10, -LARGEST, LARGEST)
        interval = self.number("interval", 0.3, 0, LONGEST_INTERVAL)
        if last < first:
            raise HTTPError(400, f"to={last} is below from={first}")
        if last_event_id is None:
            return count(first, last, interval)
        if not re.fullmatch(r"-?\d{1,9}", last_event_id, re.ASCII):
            return count_after_gap(last_event_id, first, last, interval)
        number = int(last_event_id)
        if number == last:
            return None
        if not first <= number < last:
            return count_after_gap(last_event_id, first, last, interval)
        return count(number + 1, last, interval)


class SlowNumbersHandler(StreamingHandler):
    """`/slow-numbers`: an HTML page that arrives in pieces, streaming without events."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("X-Accel-Buffering", "no")
        await self.send(slow_page(1, 10, 0.5))


class LogsHandler(SiteHandler):
    """`/logs`: the logs that are served, as JSON."""

    def initialize(self, journal: Journal) -> None:
        self._journal = journal

    async def get(self) -> None:
        self.finish({"logs": [await self._journal.log.describe()]})


class RawLogHandler(StreamingHandler):
    """`/logs/NAME`: the very bytes of a log's file, or a range of them (RFC 9110, section 14)."""

    def initialize(self, journal: Journal) -> None:
        self._journal = journal

    async def head(self, name: str) -> None:
        await self.get(name)

    async def get(self, name: str) -> None:
        log = self._journal.log
        if name != log.path.name or log.size is None:
            raise HTTPError(404, f"there is no log {name!r}")
        size = log.size
        start, end = self._range(size)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Accept-Ranges", "bytes")
        if start >= end and size:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{size}")
            return
        if (start, end) != (0, size):
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.set_header("Content-Length", end - start)
        if self.request.method == "HEAD":
            await self.flush()
        else:
            await self.send(self._pieces(start, end))

    def _range(self, size: int) -> tuple[int, int]:
        """The bytes that are asked for, from the first to behind the last; all by default."""
        header = self.request.headers.get("Range", "")
        match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip(), re.ASCII)
        if not match or not any(match.groups()) or "If-Range" in self.request.headers:
            return 0, size  # also what a server may do with ranges that it does not know
        first, last = match.groups()
        if not first:
            return max(0, size - int(last)), size if int(last) else 0
        if last and int(last) < int(first):
            return 0, size
        return int(first), min(size, int(last) + 1) if last else size

    async def _pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        async for piece in self._journal.log.read_raw(start, end):
            start += len(piece)
            yield piece
        if start < end:  # truncated meanwhile: the client must not take it for the whole
            self.connection.close()


class PageHandler(StaticFileHandler):
    """The pages, and the files they need."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
