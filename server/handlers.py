"""HTTP in, frames out."""

import asyncio
import json
import logging
import math
import random
import re
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import (
    HTTPError,
    RedirectHandler,
    RequestHandler,
    StaticFileHandler,
    create_signed_value,
    decode_signed_value,
)

from server.event import KEEP_ALIVE, MEDIA_TYPE, Event, last_event_id
from server.journal import Journal, Reader
from server.numbers import LARGEST, LONGEST_INTERVAL, count, count_after_gap, slow_page
from server.reporting import log_stream
from server.security import Guard, Seats, allow_origin_header, client_address
from server.settings import MAX_BACKLOG, Settings

REFUSED_FOR = 60
"""Seconds after which a client that was refused comes back, more or less."""

DEAD_AFTER = 8
"""A client that takes nothing for so many times the keep-alive interval is dropped."""


COOKIE_DAYS = 30
"""How long a browser that has shown the token is known by its cookie."""

_refused = logging.getLogger("riacho.refused")


@dataclass
class Site:
    """What all handlers share: the setting `riacho` of a Tornado application."""

    settings: Settings
    guard: Guard | None = None
    """Who may read; None where somebody else decides that."""
    seats: Seats | None = None
    """Bounds the number of streams; None for no bound."""
    streaming: set["StreamingHandler"] = field(default_factory=set)
    streams = refused = events = sent_bytes = 0
    """Streams that were begun and that were refused; events and bytes of those that ended."""

    async def shut_down(self, seconds: float) -> None:
        """End all open streams; leave those that take longer."""
        tasks = [handler.shut_down() for handler in list(self.streaming)]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


class SiteHandler(RequestHandler):
    """A handler that asks the site's guard first, with errors in plain text."""

    needs_token = True

    is_logged = False
    """Whether the server's own log has a line of this request."""

    @property
    def site(self) -> Site:
        site: Site = self.application.settings["riacho"]
        return site

    def prepare(self) -> Awaitable[None] | None:
        """Raises HTTPError for a request that the guard does not let in."""
        guard = self.site.guard
        if guard:
            host = self.request.host
            if not guard.knows_host(host):
                raise HTTPError(403, "not known as %r: name it with --allow-host", host)
            if not guard.admits_page(self.request.headers):
                raise HTTPError(403, "pages of other sites may not read: see --allow-origin")
            # a preflight request never has credentials (Fetch standard, section 3.3.5)
            if self.needs_token and self.request.method != "OPTIONS":
                self._ask_for_token()
        return super().prepare()

    def _ask_for_token(self) -> None:
        if self.knows_token:
            return
        # RFC 6750, section 3
        self.set_header("WWW-Authenticate", 'Bearer realm="riacho"')
        wrong = "the token is wrong" if self._tokens() else "a token is needed"
        raise HTTPError(401, f"{wrong}: Authorization: Bearer TOKEN, or ?token=TOKEN")

    def _tokens(self) -> list[str]:
        """The tokens that the request has."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        tokens = [token.strip()] if scheme.lower() == "bearer" else []
        return [token for token in (*tokens, *self.get_query_arguments("token")) if token]

    @property
    def knows_token(self) -> bool:
        """Whether this client has shown the token, now or before, or need not."""
        guard = self.site.guard
        if guard is None or not guard.has_token:
            return True
        return any(guard.is_token(token) for token in self._tokens()) or self._has_cookie(guard)

    @property
    def _cookie_name(self) -> str:
        # cookies are shared by all ports of a host (RFC 6265, section 8.5)
        return f"riacho-{self.site.settings.port}"

    def _has_cookie(self, guard: Guard) -> bool:
        name = self._cookie_name
        value = self.get_cookie(name)
        known = decode_signed_value(guard.cookie_secret, name, value or "", COOKIE_DAYS)
        return known is not None

    def give_cookie(self, guard: Guard) -> None:
        """Let this browser in from now on; it has shown the token."""
        settings, name = self.site.settings, self._cookie_name
        self.set_cookie(
            name,
            create_signed_value(guard.cookie_secret, name, "in"),
            expires_days=COOKIE_DAYS,
            path=f"{settings.prefix}/",
            httponly=True,
            samesite="Strict",
            secure=self.is_secure,
        )

    @property
    def is_secure(self) -> bool:
        """Whether the browser speaks TLS, with us or with the proxy in between."""
        trusted = self.request.remote_ip in self.site.settings.trusted_proxy
        forwarded = trusted and self.request.headers.get("X-Forwarded-Proto") == "https"
        return self.request.protocol == "https" or forwarded

    @property
    def client(self) -> str:
        """The address of who asks."""
        forwarded_for = ",".join(self.request.headers.get_list("X-Forwarded-For"))
        return client_address(
            self.request.remote_ip or "local", forwarded_for, self.site.settings.trusted_proxy
        )

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        allowed = self.site.settings.allowed_origins
        origin = allow_origin_header(self.request.headers.get("Origin"), allowed)
        if origin:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
            if origin not in ("*", "null"):
                self.set_header("Access-Control-Allow-Credentials", "true")
        if allowed and origin != "*":
            self.set_header("Vary", "Origin")

    def options(self, *args: str) -> None:
        """The answer to a preflight request (Fetch standard, section 3.3)."""
        allowed = "Authorization, Last-Event-ID, Cache-Control"
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", allowed)
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        reason = None
        if isinstance(error, HTTPError) and error.log_message:
            reason = error.log_message % error.args if error.args else error.log_message
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{reason or self._reason}\n")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, HTTPError):  # that one is in the line of its request
            super().log_exception(typ, value, tb)

    def _request_summary(self) -> str:
        return f"{self.request.method} {self.request.path} ({self.client})"

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
    _seat: str | None = None
    _sent_pieces = 0

    sent_bytes = 0
    """How many have been handed to the network."""

    def take_seat(self) -> str | None:
        """Take one of the seats for streams, until `send` is done; or say why there is none."""
        if self.site.seats and self._seat is None:
            refused = self.site.seats.take(self.client)
            if refused:
                self.site.refused += 1
                return refused
            self._seat = self.client
        return None

    async def send(self, pieces: AsyncIterator[bytes]) -> None:
        """Send pieces until they end, the client leaves or the server shuts down.

        Raises HTTPError 503 if there are too many streams.
        """
        refused = self.take_seat()
        if refused:
            self.set_header("Retry-After", REFUSED_FOR)
            raise HTTPError(503, refused)
        try:
            if not self.connection.closed():  # before anything could be sent
                await self._send(pieces)
        finally:
            if self._seat and self.site.seats:
                self.site.seats.leave(self._seat)

    async def _send(self, pieces: AsyncIterator[bytes]) -> None:
        self._drop_dead_peer()
        self._task = asyncio.current_task()
        self.site.streaming.add(self)
        self.site.streams += 1
        why = "client left"
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    self.write(piece)
                    await self.flush()
                    self._sent_pieces += 1
                    self.sent(len(piece))
            why = "finished"
        except StreamClosedError:
            pass
        except asyncio.CancelledError:
            if not self._is_shutting_down:
                return  # the client has left
            why = "server stopped"
            self.write(self.last_piece())
            await self.finish()
        except BaseException:
            why = "error"
            raise
        finally:
            self._task = None
            self.site.streaming.discard(self)
            self.site.sent_bytes += self.sent_bytes
            self.site.events += self.events
            seconds = self.request.request_time()
            uri = self.request.uri or ""
            log_stream(self.client, uri, why, seconds, **self.report())
            self.is_logged = True

    @property
    def events(self) -> int:
        """How many events the client has got."""
        return 0

    def last_piece(self) -> bytes:
        """What a client gets last when the server shuts down."""
        return b""

    def report(self) -> dict[str, object]:
        """What the server's own log says of this stream."""
        return {"bytes": self.sent_bytes}

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

    def sent(self, size: int) -> None:
        """`size` bytes have been handed to the network."""
        self.sent_bytes += size

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
        self._after = id or self.get_query_argument("last_event_id", None) or None
        frames = self.open_stream(self._after)
        if frames is None:
            # "Clients can be told to stop reconnecting using the HTTP 204 No Content
            # response code." (WHATWG HTML, section 9.2.1)
            self.set_status(204)
            return
        self._set_stream_headers()
        refused = self.take_seat()
        if refused:
            self._refuse(refused)
            return
        try:
            # Without a blank line after it: some clients take one for the end of an event.
            self.write(b"retry: %d\n: stream opened\n" % self.site.settings.retry)
            self.flush()
            self.sent(0)
            self._keep_alive()
            await self.send(frames)
        finally:
            if self._timer:
                self._timer.cancel()

    def _refuse(self, why: str) -> None:
        """Send the client away for a while, in a way that it understands.

        EventSource gives up for good on any status but 200, and comes back after one.
        """
        retry = round(REFUSED_FOR * random.uniform(0.5, 1.5) * 1000)
        data = json.dumps({"why": why, "retry": retry})
        self.set_header("Connection", "close")
        self.finish(Event(data, name="refused", retry=retry).encode())
        _refused.warning("%s: %s is told to come back in %d s", why, self.client, retry // 1000)

    @property
    def events(self) -> int:
        return self._sent_pieces

    def last_piece(self) -> bytes:
        """The event `shutdown`: come back, but not all at the same moment."""
        retry = round(self.site.settings.retry * random.uniform(0.5, 1.5))
        return Event("{}", name="shutdown", retry=retry).encode()

    def report(self) -> dict[str, object]:
        after = {"after": self._after[:64]} if self._after else {}
        return {**after, "events": self.events, **super().report()}

    async def head(self) -> None:
        self._set_stream_headers()
        self.set_header("Transfer-Encoding", "chunked")
        await self.flush()

    def _set_stream_headers(self) -> None:
        self.set_header("Content-Type", MEDIA_TYPE)
        # no-transform: a proxy must not compress, which would hold events back
        self.set_header("Cache-Control", "no-cache, no-transform")
        self.set_header("X-Accel-Buffering", "no")

    def sent(self, size: int) -> None:
        super().sent(size)
        self._last_sent = asyncio.get_running_loop().time()

    def _keep_alive(self) -> None:
        """Send a comment if the stream has been silent for long enough, and look again."""
        loop = asyncio.get_running_loop()
        interval = self.site.settings.keep_alive
        if loop.time() - self._last_sent >= interval:
            if not self.connection.closed() and not self.connection.writing():
                self.write(KEEP_ALIVE)
                self.flush()
            self.sent(len(KEEP_ALIVE))
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
        self.reader = Reader(self._push if chunked else None)
        return self._journal.events(last_event_id, backlog, start == "start", self.reader)

    @property
    def events(self) -> int:
        return self.reader.events

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
        self.sent(len(chunk))
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
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'")
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


class PageHandler(SiteHandler, StaticFileHandler):
    """The pages, and the files they need.

    A page that is opened with the token in its address moves it into a cookie at once,
    and is then loaded without it.
    """

    def prepare(self) -> Awaitable[None] | None:
        name = self.path_args[0]
        is_page = not name or name.endswith(".html")
        self.needs_token = is_page  # styles and scripts are no secret
        prepared = super().prepare()
        guard = self.site.guard
        if is_page and guard and guard.has_token and self.get_query_arguments("token"):
            self._move_token_into_cookie(guard)
        return prepared

    def _move_token_into_cookie(self, guard: Guard) -> None:
        self.give_cookie(guard)
        query = urlencode(
            [(name, value) for name, value in parse_qsl(self.request.query) if name != "token"]
        )
        page = self.request.path.rpartition("/")[2] or "./"
        address = f"{page}?{query}" if query else page
        if self.request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            # The browser counts a redirect as part of the visit that another site began,
            # and would not send a cookie that is SameSite=Strict. A refresh is our own.
            self.set_header("Refresh", f"0; url={address}")
            self.finish()
        else:
            self.redirect(address, status=303)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code != 401 or "text/html" not in self.request.headers.get("Accept", ""):
            super().write_error(status_code, **kwargs)
            return
        assert self.root
        self.set_extra_headers("")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish((Path(self.root) / "login.html").read_bytes())

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", self._policy())

    def _policy(self) -> str:
        """What a page may load, and who may frame it (CSP Level 3)."""
        framing = [one for one in self.site.settings.allow_origin if one != "null"]
        return "; ".join(
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                "connect-src 'self'",
                "form-action 'self'",
                "base-uri 'none'",
                f"frame-ancestors 'self' {' '.join(framing)}".strip(),
            ]
        )


class PrefixHandler(SiteHandler, RedirectHandler):
    """The prefix without the slash behind it."""

    needs_token = False


class NothingHandler(SiteHandler):
    """Whatever has no route."""

    def prepare(self) -> Awaitable[None] | None:
        super().prepare()
        raise HTTPError(404, "there is nothing at %r", self.request.path)
