"""Connections: accepted as long as there are descriptors, and held no longer than they are used."""

import errno
import logging
import os
import re
import socket
import ssl
import time
from collections.abc import Awaitable
from typing import Any, cast

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets

ACCEPT_QUEUE = 1024
"""Connections that the system holds until they are accepted, as when all clients come back."""

_MOST_UNSENT = 128 * 1024
"""Bytes of a stream that the system holds before they are on their way."""

_URL = re.compile(r"https?://(?P<host>[^/?#]*)(/(?P<path>[^?]*))?(?P<query>.*)", re.IGNORECASE)

_log = logging.getLogger(__name__)


def listen(port: int, host: str) -> list[socket.socket]:
    """Sockets that listen on all addresses of `host`. Raises OSError."""
    return [
        _ReservingSocket(one.family, one.type, one.proto, one.detach())
        for one in bind_sockets(port, host, backlog=ACCEPT_QUEUE)
    ]


class _ReservingSocket(socket.socket):
    """Turns connections away while there is no descriptor left for them.

    A listening socket with a connection that cannot be accepted is ready for ever, and
    the event loop would spin. So one descriptor is kept in reserve: it is given up to
    accept the connection, only to close it. The client comes back by itself.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._reserve = -1
        self._said = -float("inf")
        self._hold_reserve()

    def _hold_reserve(self) -> None:
        if self._reserve < 0:
            try:
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                pass  # somebody was quicker: again at the next connection

    def _give_up_reserve(self) -> None:
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError if nobody is there, or somebody has been turned away."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._turn_away(error)
            raise BlockingIOError from error

    def _turn_away(self, why: OSError) -> None:
        self._hold_reserve()
        self._give_up_reserve()
        try:
            super().accept()[0].close()
        except OSError:
            pass
        self._hold_reserve()
        if time.monotonic() - self._said >= 1:
            self._said = time.monotonic()
            _log.error("clients are turned away: %s (raise the limit of open files)", why.strerror)

    def close(self) -> None:
        self._give_up_reserve()
        super().close()


class BoundedServer(HTTPServer):
    """An HTTP server that holds only so many connections which wait for a request.

    When there is one more, that goes which has waited longest: who means well has sent
    its request by then, or is idle and can connect again. So nobody who comes is kept
    out by those who send nothing. Streams do not count: they have left this server.
    """

    most_waiting = 1024
    dead_after = 120.0
    """Seconds after which a peer that takes nothing is dropped."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self._waiting: dict[IOStream, _Request] = {}  # the longest first

    def use_certificate(self, tls: ssl.SSLContext) -> None:
        """Show another certificate to those who connect from now on."""
        self.ssl_options = tls

    def stop(self) -> None:
        """Take no more connections, and close those that wait for a request.

        A browser keeps some open, and would ask for its stream on one of them again, of a
        server that is about to end.
        """
        super().stop()
        for connection, request in list(self._waiting.items()):
            if not request.is_there:
                connection.close()

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        drop_dead_peer(stream.socket, self.dead_after)
        super().handle_stream(stream, address)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        stream = cast(HTTP1ServerConnection, server_conn).stream
        connection = cast(HTTP1Connection, request_conn)
        request = _Request(super().start_request(server_conn, request_conn), connection)
        self._waiting.pop(stream, None)
        self._waiting[stream] = request
        if len(self._waiting) > self.most_waiting:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.close()
        return request

    def on_close(self, server_conn: object) -> None:
        self._waiting.pop(cast(HTTP1ServerConnection, server_conn).stream, None)
        super().on_close(server_conn)


class _Request(HTTPMessageDelegate):
    """A request on its way in, in the form that handlers know."""

    def __init__(self, request: HTTPMessageDelegate, connection: HTTP1Connection) -> None:
        self._request = request
        self._connection = connection
        self.is_there = False
        """Whether all of it has come."""

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        stream = self._connection.stream
        if stream.closed():
            # It may have sent more requests, which lie in memory: nobody waits for their answers.
            self._connection.detach()
            return None
        if isinstance(start_line, RequestStartLine):
            url = _URL.fullmatch(start_line.path)
            if url:  # as for a proxy: it says the host, whatever `Host` does (RFC 9112, 3.2.2)
                headers["Host"] = url["host"]
                start_line = start_line._replace(path=f"/{url['path'] or ''}{url['query']}")
        return self._request.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._request.data_received(chunk)

    def finish(self) -> None:
        self.is_there = True
        self._request.finish()

    def on_connection_close(self) -> None:
        self._request.on_connection_close()


def drop_dead_peer(connection: socket.socket, seconds: float) -> None:
    """Let the system end a connection that has taken nothing for `seconds` (tcp(7)).

    Without that, a peer that is gone without a word, or never reads again, would hold
    its connection for ever.
    """
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = round(seconds * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def bound_unsent(connection: socket.socket) -> None:
    """Let the system hold little that is not on its way yet (TCP_NOTSENT_LOWAT in tcp(7)).

    It would take several megabytes for each client that does not read.
    """
    tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
    if tcp and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
