"""Response bodies on their way to clients, once their headers are sent.

Tornado's handler, request and parser are done by then and let go: what is left of a
client is a socket, a place in a stream and a coroutine.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from ssl import SSLWantWriteError
from typing import NamedTuple

from tornado.iostream import IOStream, StreamClosedError

from server.feeds.journal import Reader
from server.reporting import log_stream
from server.settings import Settings
from server.sse.event import KEEP_ALIVE, Event
from server.web.listener import bound_unsent, drop_dead_peer
from server.web.security import Guard, Seats

DEAD_AFTER = 8
"""A client that takes nothing for so many times the keep-alive interval is dropped."""

_LOOKS = 16
"""How often in a keep-alive interval all streams are looked after."""

_A_ROUND = 200
"""How many of them in one round of the event loop."""

_LARGE = 8 * 1024
"""Bytes of a piece that it pays not to copy."""

_log = logging.getLogger(__name__)


@dataclass
class Site:
    """What all handlers and streams share: the setting `riacho` of a Tornado application."""

    settings: Settings
    guard: Guard | None = None
    """Who may read; None where somebody else decides that."""
    seats: Seats | None = None
    """Bounds the number of streams; None for no bound."""
    streams: "set[Stream]" = field(default_factory=set)
    """Those that are open."""
    ended: Counter[str] = field(default_factory=Counter)
    """Of those that have ended: `streams`, `events`, `bytes`; and how many were `refused`."""
    is_closing: bool = False
    """Whether the server shuts down: who asks for a stream now is sent away."""
    _keeper: "asyncio.Task[None] | None" = field(default=None, init=False)

    def add(self, stream: "Stream") -> None:
        """Count a stream that has begun, and keep it alive."""
        if not self.streams:
            self._keeper = asyncio.create_task(self._keep_alive())
        self.streams.add(stream)

    def remove(self, stream: "Stream") -> None:
        """Forget a stream that has ended."""
        self.streams.discard(stream)
        self.ended.update(streams=1, events=stream.events, bytes=stream.sent_bytes)
        if not self.streams and self._keeper:
            self._keeper.cancel()

    async def _keep_alive(self) -> None:
        """Look after all streams: one timer for all of them, and no clock when they send."""
        interval = self.settings.keep_alive / _LOOKS
        while True:
            await asyncio.sleep(interval)
            for count, stream in enumerate(list(self.streams), 1):
                stream.keep_alive()
                if not count % _A_ROUND:
                    await asyncio.sleep(0)

    async def shut_down(self, seconds: float) -> None:
        """End all open streams; leave those that take longer."""
        self.is_closing = True
        tasks = [stream.shut_down() for stream in list(self.streams)]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


class Caller(NamedTuple):
    """Who has asked, and for what."""

    address: str
    uri: str
    after: str | None = None


class Stream:
    """A body that is sent piece by piece, at the pace at which the client takes it.

    `chunked` says whether each piece is framed (RFC 9112, section 7.1); a body that is
    neither that nor has a length ends with its connection.
    """

    __slots__ = (
        "_chunked",
        "_is_shutting_down",
        "_sent_pieces",
        "_why",
        "caller",
        "connection",
        "sent_bytes",
        "site",
        "started",
        "task",
    )

    def __init__(self, site: Site, connection: IOStream, chunked: bool, caller: Caller) -> None:
        self.site = site
        self.connection = connection
        self.caller = caller
        self.sent_bytes = 0
        """How many have been handed to the network, without the response's head."""
        self._sent_pieces = 0
        self._chunked = chunked
        self._is_shutting_down = False
        self._why = "client left"
        self.started = asyncio.get_running_loop().time()

    def start(self, pieces: AsyncIterator[bytes]) -> None:
        """Send `pieces` until they end, the client leaves or the server shuts down."""
        self.task = asyncio.create_task(self._run(pieces))
        # not at the end of the coroutine, which never begins if the client leaves at once
        self.task.add_done_callback(self._end)
        self.site.add(self)
        if not self.connection.closed():
            # or each event would wait until the client has acknowledged the one before
            self.connection.set_nodelay(True)
            drop_dead_peer(self.connection.socket, self.site.settings.keep_alive * DEAD_AFTER)
            bound_unsent(self.connection.socket)
        self.connection.set_close_callback(self._leave)
        # What it sends after its request is nothing to us, but as long as that lies unread,
        # nobody would see it leave. More than a buffer of it closes the connection.
        self.connection.read_until_close()

    def _leave(self) -> None:
        self.task.cancel()

    async def _run(self, pieces: AsyncIterator[bytes]) -> None:
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    await self._write(piece)
                    self._sent_pieces += 1
            self._why = "finished"
            await self._finish(b"")
        except StreamClosedError:
            pass  # `_end` says why
        except asyncio.CancelledError:
            if self._is_shutting_down and self._why != "finished":
                self._why = "server stopped"
                await self._finish(self.last_piece())
        except Exception:
            self._why = "error"
            _log.exception("the stream %s ends with an error", self.caller.uri)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self.connection.set_close_callback(None)
        if isinstance(self.connection.error, TimeoutError):
            self._why = "client took nothing any more"
        self.connection.close()
        self.connection.error = None  # its traceback holds the connection: a cycle
        self.site.remove(self)
        if self.site.seats:
            self.site.seats.leave(self.caller.address)
        seconds = asyncio.get_running_loop().time() - self.started
        log_stream(self.caller.address, self.caller.uri, self._why, seconds, **self.report())

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked and piece else piece

    async def _finish(self, piece: bytes) -> None:
        with suppress(StreamClosedError):
            await self._write(piece, b"0\r\n\r\n" if self._chunked else b"")

    async def _write(self, piece: bytes, ending: bytes = b"") -> None:
        """Send a piece, and wait until the network has taken it. Raises StreamClosedError."""
        if len(piece) < _LARGE:
            parts = [self._framed(piece) + ending]
        else:  # not copied, so that it is in memory once for all clients that wait to take it
            parts = [b"%x\r\n" % len(piece), piece, b"\r\n" + ending] if self._chunked else [piece]
        for part in parts:
            written = self.connection.write(part)
        # Tornado does not expect that its future is cancelled, as this coroutine may be.
        await (written if written.done() else asyncio.shield(written))
        self.sent_bytes += sum(map(len, parts))

    def keep_alive(self) -> None:
        """Look, _LOOKS times in a keep-alive interval, whether the client must hear something."""

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

    def shut_down(self) -> "asyncio.Task[None]":
        """End the body cleanly, now; the task is done when the client has it all."""
        self._is_shutting_down = True
        self.task.cancel()
        return self.task


class EventStream(Stream):
    """A stream of events, which is never silent for longer than the keep-alive interval.

    `reader` counts the events where they do not come as pieces of one event each.
    """

    __slots__ = ("_heard_bytes", "_send", "_silent_looks", "_unsent", "reader")

    def __init__(
        self,
        site: Site,
        connection: IOStream,
        chunked: bool,
        caller: Caller,
        reader: Reader | None = None,
    ) -> None:
        super().__init__(site, connection, chunked, caller)
        self.reader = reader
        if reader and chunked and not connection.closed():
            self._send = connection.socket.send
            reader.push = self._push
        self._unsent: asyncio.Future[None] | None = None
        """Done when the connection has sent what a push has left to it."""
        self._heard_bytes = self._silent_looks = 0

    def keep_alive(self) -> None:
        """Send a comment before the stream has been silent for a whole interval.

        Whatever was sent was sent up to one look before it is seen.
        """
        if self.sent_bytes != self._heard_bytes or self.connection.writing():
            self._heard_bytes, self._silent_looks = self.sent_bytes, 0
            return
        self._silent_looks += 1
        if self._silent_looks >= _LOOKS - 1 and not self.connection.closed():
            self._unsent = self.connection.write(comment := self._framed(KEEP_ALIVE))
            self.sent_bytes += len(comment)

    def _push(self, chunk: memoryview) -> bool:
        """Hand a chunk straight to the socket, unless something else waits to be sent.

        That saves a task switch and a copy for each client and line. What the socket
        does not take now waits in the connection, and the next chunk is refused.
        """
        if self._unsent and not self._unsent.done():
            return False
        try:
            taken = self._send(chunk)
        except (BlockingIOError, SSLWantWriteError):
            taken = 0
        except OSError:
            return False  # broken: whoever writes next finds out
        self.sent_bytes += len(chunk)
        self._unsent = self.connection.write(chunk[taken:]) if taken < len(chunk) else None
        return True

    def _end(self, task: "asyncio.Task[None]") -> None:
        if self.reader:
            self.reader.push = None
        super()._end(task)

    @property
    def events(self) -> int:
        return self.reader.events if self.reader else self._sent_pieces

    def last_piece(self) -> bytes:
        return farewell(self.site.settings)

    def report(self) -> dict[str, object]:
        after = {"after": self.caller.after[:64]} if self.caller.after else {}
        begin = {"from": self.reader.begin} if self.reader and self.reader.begin else {}
        return {**after, **begin, "events": self.events, **super().report()}


def farewell(settings: Settings) -> bytes:
    """The event `shutdown`: come back, but not all at the same moment."""
    retry = round(settings.retry * random.uniform(0.5, 1.5))
    return Event("{}", name="shutdown", retry=retry).encode()
