"""Response bodies on their way to clients, once their headers are sent.

Tornado's handler, request and parser are done by then and let go: what is left of a client is a
socket, a place in a feed and a coroutine.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import NamedTuple

from tornado.iostream import IOStream, StreamClosedError

from server.reporting import log_stream
from server.web.context import Context
from server.web.listener import bound_unsent, drop_dead_peer

DEAD_AFTER = 8
"""A client that takes nothing for so many times the keep-alive interval is dropped."""

_LARGE = 8 * 1024
"""Bytes of a piece that it pays not to copy."""

_log = logging.getLogger(__name__)


class CutOffError(Exception):
    """The rest of a body cannot be had; says why."""


class Caller(NamedTuple):
    """Who has asked, and for what."""

    address: str
    uri: str
    after: str | None = None


class Body:
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
        "context",
        "sent_bytes",
        "started",
        "task",
    )

    def __init__(
        self, context: Context, connection: IOStream, chunked: bool, caller: Caller
    ) -> None:
        self.context = context
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
        self.context.add(self)
        if not self.connection.closed():
            # or each event would wait until the client has acknowledged the one before
            self.connection.set_nodelay(True)
            drop_dead_peer(self.connection.socket, self.context.settings.keep_alive * DEAD_AFTER)
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
        except CutOffError as error:
            self._why = str(error)
        except Exception as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        self._why = "error"
        _log.error("the stream %s ends with an error", self.caller.uri, exc_info=error)

    def end_by(self, error: Exception) -> None:
        """End the body because of an error of its own."""
        self._note(error)
        self.task.cancel()

    def _end(self, task: "asyncio.Task[None]") -> None:
        self.connection.set_close_callback(None)
        if isinstance(self.connection.error, TimeoutError):
            self._why = "client took nothing any more"
        self.connection.close()
        self.connection.error = None  # its traceback holds the connection: a cycle
        self.context.remove(self)
        if self.context.quota:
            self.context.quota.release(self.caller.address)
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
        """See `OpenStream.keep_alive`: a body that is no event stream may be silent."""

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
