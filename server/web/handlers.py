"""HTTP in, frames out."""

import json
import logging
import math
import random
import re
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tornado.iostream import IOStream, StreamClosedError
from tornado.web import (
    HTTPError,
    RedirectHandler,
    RequestHandler,
    StaticFileHandler,
    create_signed_value,
    decode_signed_value,
)

from server.feeds.journal import Journal, Reader
from server.feeds.numbers import LARGEST, LONGEST_INTERVAL, count, count_after_gap, slow_page
from server.logs.logfile import LogFile
from server.settings import MAX_BACKLOG
from server.sse.event import MEDIA_TYPE, Event, last_event_id
from server.web.security import Guard, allow_origin_header, client_address
from server.web.stream import Caller, EventStream, Site, Stream, farewell

REFUSED_FOR = 60
"""Seconds after which a client that was refused comes back, more or less."""

CHALLENGE = 'Bearer realm="riacho"'
"""What a client has to show (RFC 6750, section 3)."""

COOKIE_DAYS = 30
"""How long a browser that has shown the token is known by its cookie."""

_refused = logging.getLogger("riacho.refused")


class SiteHandler(RequestHandler):
    """A handler that asks the site's guard first, with errors in plain text."""

    needs_token = True

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
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
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
        if status_code == 401:
            self.set_header("WWW-Authenticate", CHALLENGE)
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
    """Answers with a body that is sent piece by piece."""

    def take_seat(self) -> str | None:
        """Take one of the seats for streams; or say why there is none."""
        if self.site.seats is None:
            return None
        refused: str | None = self.site.seats.take(self.client)
        self.site.ended["refused"] += refused is not None
        return refused

    def send(self, pieces: AsyncIterator[bytes], length: int | None = None) -> None:
        """Send `pieces`, of `length` bytes if that is known, after what is written by now.

        Where there is no seat, the answer is a 503 instead.
        """
        refused = self.take_seat()
        if refused:
            self.set_status(503)
            self.set_header("Retry-After", REFUSED_FOR)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{refused}\n")
            return
        if length is not None:
            self.set_header("Content-Length", length)
            self.set_header("Connection", "close")
        connection, caller = self.let_go()
        chunked = length is None and self.request.version == "HTTP/1.1"
        Stream(self.site, connection, chunked, caller).start(pieces)

    def let_go(self, after: str | None = None) -> tuple[IOStream, Caller]:
        """Send what is written, and give the connection away, for what a `Stream` makes of it."""
        if self.settings.get("compress_response"):
            # The only thing that keeps Tornado from compressing what it takes for text.
            self.set_header("Content-Encoding", "identity")
        self.flush()
        return self.detach(), Caller(self.client, self.request.uri or "", after)


class EventStreamHandler(StreamingHandler):
    """A stream of events. A stream of your own needs only its `open_stream`."""

    reader: Reader | None = None
    """What counts the events, where they do not come as pieces of one event each."""

    def open_stream(self, last_event_id: str | None) -> AsyncIterator[bytes] | None:
        """The frames to send, those after the event `last_event_id` if the client names one.

        None if there will never be more: the client is told not to reconnect. Raises
        HTTPError for a bad request.
        """
        raise NotImplementedError

    def get(self) -> None:
        # The header is what EventSource sends by itself; the query is for clients that
        # cannot set a header.
        id = last_event_id(self.request.headers.get("Last-Event-ID"))
        after = id or self.get_query_argument("last_event_id", None) or None
        frames = self.open_stream(after)
        if frames is None:
            # "Clients can be told to stop reconnecting using the HTTP 204 No Content
            # response code." (WHATWG HTML, section 9.2.1)
            self.set_status(204)
            return
        self._set_stream_headers()
        if self.site.is_closing:
            self.set_header("Connection", "close")
            self.finish(farewell(self.site.settings))
            return
        refused = self.take_seat()
        if refused:
            self._refuse(refused)
            return
        # Without a blank line after it: some clients take one for the end of an event.
        self.write(b"retry: %d\n: stream opened\n" % self.site.settings.retry)
        connection, caller = self.let_go(after)
        chunked = self.request.version == "HTTP/1.1"
        EventStream(self.site, connection, chunked, caller, self.reader).start(frames)

    def _refuse(self, why: str) -> None:
        """Send the client away for a while, in a way that it understands.

        EventSource gives up for good on any status but 200, and comes back after one.
        """
        retry = round(REFUSED_FOR * random.uniform(0.5, 1.5) * 1000)
        data = json.dumps({"why": why, "retry": retry})
        self.finish(Event(data, name="refused", retry=retry).encode())
        _refused.warning("%s: %s is told to come back in %d s", why, self.client, retry // 1000)

    async def head(self) -> None:
        self._set_stream_headers()
        self.set_header("Transfer-Encoding", "chunked")
        await self.flush()

    def _set_stream_headers(self) -> None:
        self.set_header("Content-Type", MEDIA_TYPE)
        # no-transform: a proxy must not compress, which would hold events back
        self.set_header("Cache-Control", "no-cache, no-transform")
        self.set_header("X-Accel-Buffering", "no")


class LogStreamHandler(EventStreamHandler):
    """`/stream-logs`: the lines of a log."""

    def initialize(self, journal: Journal) -> None:
        self._journal = journal

    def open_stream(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        backlog = self.integer("backlog", self.site.settings.backlog, 0, MAX_BACKLOG)
        start = self.get_query_argument("from", "end")
        if start not in ("start", "end"):
            raise HTTPError(400, f"from={start!r} is neither start nor end")
        self.reader = Reader()
        return self._journal.events(last_event_id, backlog, start == "start", self.reader)


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

    def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'")
        self.set_header("X-Accel-Buffering", "no")
        self.send(slow_page(1, 10, 0.5))


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
        if self.request.method == "HEAD":
            self.set_header("Content-Length", end - start)
            await self.flush()
        else:
            self.send(_pieces(log, start, end), end - start)

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


async def _pieces(log: LogFile, start: int, end: int) -> AsyncIterator[bytes]:
    async for piece in log.read_raw(start, end):
        start += len(piece)
        yield piece
    if start < end:  # truncated meanwhile: the client must not take it for the whole
        raise StreamClosedError


class PageHandler(SiteHandler, StaticFileHandler):
    """The pages, and the files they need.

    A page that a browser opens with the token in its address moves it into a cookie at
    once, and is then loaded without it.
    """

    def prepare(self) -> Awaitable[None] | None:
        name = self.path_args[0]
        is_page = not name or name.endswith(".html")
        self.needs_token = is_page  # styles and scripts are no secret
        prepared = super().prepare()
        guard = self.site.guard
        if is_page and guard and guard.has_token:
            accepted = self.request.headers.get("Accept", "")
            if self.get_query_arguments("token") and "text/html" in accepted:
                self._move_token_into_cookie(guard)
            elif "Authorization" in self.request.headers:  # from the login page
                self.give_cookie(guard)
        return prepared

    def _move_token_into_cookie(self, guard: Guard) -> None:
        """Answer with the cookie, and with the address to load instead.

        A redirect would do, but Chromium's history shows the addresses from which it was
        redirected. It hides those that are not found. And a refresh is our own doing,
        after which it sends a cookie that is SameSite=Strict, while a redirect counts as
        part of the visit, which another site may have begun.
        """
        self.give_cookie(guard)
        query = urlencode(
            [(name, value) for name, value in parse_qsl(self.request.query) if name != "token"]
        )
        page = self.request.path.rpartition("/")[2] or "./"
        self.set_status(404)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Refresh", f"0; url={page}?{query}" if query else f"0; url={page}")
        self.finish("<!doctype html><title>Riacho</title>")  # without, it shows an error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code != 401 or "text/html" not in self.request.headers.get("Accept", ""):
            super().write_error(status_code, **kwargs)
            return
        assert self.root
        self.set_extra_headers("")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("WWW-Authenticate", CHALLENGE)
        self.finish((Path(self.root) / "login.html").read_bytes())

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", self._policy())

    def _policy(self) -> str:
        """What a page may load, and who may frame it (CSP Level 3)."""
        framing = [one for one in self.site.settings.allowed_origins if one != "null"]
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
