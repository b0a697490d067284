"""Event streams: a feed's events to a client, from the place where it begins."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from ssl import SSLWantWriteError

from tornado.iostream import IOStream
from tornado.web import HTTPError

from server.feeds.contract import (
    AfterId,
    Batch,
    BrokenOffError,
    BusyError,
    Feed,
    FinishedError,
    LostError,
    Oldest,
    Start,
    Subscription,
    gap_frame,
)
from server.reporting import printable
from server.settings import Settings
from server.sse.event import KEEP_ALIVE, MEDIA_TYPE, Event, last_event_id
from server.web.base import REFUSED_FOR, StreamingHandler
from server.web.body import Body, Caller, CutOffError
from server.web.context import LOOKS, Context
from server.web.progress import Progress

ID_PARAMETERS = (
    "last_event_id",
    "lastEventId",  # Yaffle's event-source-polyfill
    "evs_last_event_id",  # amvtek's
    "lastEventID",  # Mercure's
    "Last-Event-ID",
)
"""What clients that cannot set a header call the last event id in the query."""

_LONGEST_COMMENT = 200

_refused = logging.getLogger("riacho.refused")


class EventBody(Body):
    """A feed's events from `start` on, never silent for longer than the keep-alive interval."""

    __slots__ = (
        "_begin",
        "_extra_events",
        "_feed",
        "_heard_bytes",
        "_opening",
        "_send",
        "_silent_looks",
        "_start",
        "_tells_progress",
        "_unsaid_id",
        "_unsent",
        "subscription",
    )

    def __init__(
        self,
        context: Context,
        connection: IOStream,
        chunked: bool,
        caller: Caller,
        opening: AbstractAsyncContextManager[Feed],
        start: Start,
        *,
        tells_progress: bool = False,
    ) -> None:
        super().__init__(context, connection, chunked, caller)
        self._tells_progress = tells_progress
        self._opening = opening
        self._feed: Feed | None = None
        self._start = start
        self.subscription: Subscription | None = None
        """Its way through the feed, once it is known where it begins."""
        self._begin = ""
        self._extra_events = 0
        self._unsaid_id = ""
        self._send = None if connection.closed() else connection.socket.send
        self._unsent: asyncio.Future[None] | None = None
        self._heard_bytes = self._silent_looks = 0

    def begin(self) -> None:
        """Send the feed's events until they end, the client leaves or the server shuts down."""
        self.start(self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        async with self._opening as feed:
            self._feed = feed
            try:
                async for piece in self._events_of(feed):
                    yield piece
            except BrokenOffError as error:
                raise CutOffError(str(error)) from None

    async def _events_of(self, feed: Feed) -> AsyncIterator[bytes]:
        try:
            place = await feed.locate(self._start)
        except FinishedError:
            return
        except LostError as lost:
            place = lost.place
            self._extra_events += 1
            asked = self._start.id if isinstance(self._start, AfterId) else ""
            yield gap_frame(asked, place, lost.why)
        self._begin = place.id
        if feed.is_live(place):
            # So that a client that comes back before its first event misses none.
            yield Event(id=place.id).encode()
        can_push = self._chunked and self._send is not None
        self.subscription = feed.subscribe(place, self.push if can_push else None)
        progress: Progress | None = None
        try:
            async for batch in self.subscription:
                if batch.frames:
                    self._unsaid_id = ""
                    yield batch.frames
                else:
                    self._unsaid_id = batch.end.id
                progress = progress or (Progress(self._lag) if self._tells_progress else None)
                if progress and (told := progress.note()):
                    self._extra_events += 1
                    yield told
        finally:
            self.subscription.close()

    def push(self, batch: Batch) -> bool:
        """Hand a batch straight to the socket, unless something else waits to be sent.

        That saves a task switch and a copy for each client and line. What the socket does not
        take now waits in the connection, and the next batch is refused.
        """
        if self._unsent and not self._unsent.done():
            return False
        if not batch.frames:
            self._unsaid_id = batch.end.id
            return True
        chunk = self.context.chunk_of(batch)
        try:
            assert self._send
            taken = self._send(chunk)
        except (BlockingIOError, SSLWantWriteError):
            taken = 0
        except OSError:
            return False  # broken: whoever writes next finds out
        self.sent_bytes += len(chunk)
        self._unsent = self.connection.write(chunk[taken:]) if taken < len(chunk) else None
        self._unsaid_id = ""
        return True

    def keep_alive(self) -> None:
        """Send something before the stream has been silent for a whole interval.

        Whatever was sent was sent up to one look before it is seen. A comment will do; after
        events that were none of this client's, the place that it has come to is of more use.
        """
        if self.sent_bytes != self._heard_bytes or self.connection.writing():
            self._heard_bytes, self._silent_looks = self.sent_bytes, 0
            return
        self._silent_looks += 1
        if self._silent_looks >= LOOKS - 1 and not self.connection.closed():
            id, self._unsaid_id = self._unsaid_id, ""
            piece = self._framed(Event(id=id).encode() if id else KEEP_ALIVE)
            self._unsent = self.connection.write(piece)
            self.sent_bytes += len(piece)

    @property
    def events(self) -> int:
        return self._extra_events + (self.subscription.events if self.subscription else 0)

    def _lag(self) -> int:
        return self.lag or 0

    @property
    def lag(self) -> int | None:
        """How much the client has yet to get, in the feed's unit; None before it begins."""
        if self._feed is None or self.subscription is None:
            return None
        return self._feed.lag(self.subscription.place)

    def last_piece(self) -> bytes:
        return farewell(self.context.settings)

    def report(self) -> dict[str, object]:
        after = {"after": self.caller.after[:64]} if self.caller.after else {}
        begin = {"from": self._begin[:64]} if self._begin else {}
        return {**after, **begin, "events": self.events, **super().report()}


class EventStreamHandler(StreamingHandler):
    """A stream of events. A stream of your own needs only its `open_feed`, or `opening`."""

    parameters: frozenset[str] = frozenset()
    """What may stand in the query, beside the last event id and the token."""

    after: str | None = None
    """The id of the last event that the client has, None if it names none."""

    def open_feed(self) -> Feed:
        """The feed to send. Raises HTTPError for a bad request."""
        raise NotImplementedError

    def opening(self) -> AbstractAsyncContextManager[Feed]:
        """The feed, for as long as its events are sent.

        Raises HTTPError for a bad request, BusyError if the client is to come back later.
        """
        return nullcontext(self.open_feed())

    def start_at(self) -> Start:
        """Where a client begins that does not come back. Raises HTTPError for a bad request."""
        return Oldest()

    def is_over(self, last_event_id: str) -> bool:
        """Whether a client that comes back with this id has all there will ever be."""
        return False

    @property
    def tells_progress(self) -> bool:
        """Whether a client is told how far it has come while it catches up.

        That takes time without an event where most of the events are not wanted.
        """
        return False

    async def has_all(self, last_event_id: str) -> bool:
        """The same where that has to be looked for."""
        return self.is_over(last_event_id)

    async def get(self) -> None:
        after = self.after = self._last_event_id()
        try:
            opening, start = self.opening(), self.start_at()
        except BusyError as error:
            self.context.ended["refused"] += 1
            self._set_stream_headers()
            self._refuse(str(error))
            return
        if after is not None and await self.has_all(after):
            # "Clients can be told to stop reconnecting using the HTTP 204 No Content
            # response code." (WHATWG HTML, section 9.2.1)
            self.set_status(204)
            return
        self._set_stream_headers()
        if self.context.is_closing:
            self.set_header("Connection", "close")
            self.finish(farewell(self.context.settings))
            return
        refused = self.reserve()
        if refused:
            self._refuse(refused)
            return
        # Without a blank line after it: some clients take one for the end of an event.
        self.write(b"retry: %d\n" % self.context.settings.retry + self._comment())
        connection, caller = self.let_go(after)
        chunked = self.request.version == "HTTP/1.1"
        begin = start if after is None else AfterId(after)
        body = EventBody(
            self.context,
            connection,
            chunked,
            caller,
            opening,
            begin,
            tells_progress=self.tells_progress,
        )
        body.begin()

    def head(self, *args: str) -> Awaitable[None] | None:
        self.after = self._last_event_id()
        with suppress(BusyError):  # the answer to GET would be a stream, too
            self.opening()
        self.start_at()
        self._set_stream_headers()
        if self.request.version == "HTTP/1.1":
            self.set_header("Transfer-Encoding", "chunked")
        return self.flush()

    def _last_event_id(self) -> str | None:
        """The id after which the client goes on: from its header, or else from the query.

        The header is what EventSource sends by itself; the query is for clients that cannot
        set a header. Raises HTTPError 400 if the query names two places.
        """
        id = last_event_id(self.request.headers.get("Last-Event-ID"))
        given = {
            text
            for name in ID_PARAMETERS
            for text in self.get_query_arguments(name, strip=False)
            if text
        }
        if id:
            return id
        if len(given) > 1:
            raise HTTPError(400, "the query has several last event ids: give one")
        return given.pop() if given else None

    def _comment(self) -> bytes:
        """The first line of the stream, which names parameters that mean nothing here."""
        known = {*self.parameters, *ID_PARAMETERS, "token"}
        unknown = [repr(name) for name in self.request.query_arguments if name not in known]
        if not unknown:
            return b": stream opened\n"
        names = printable(", ".join(unknown))[:_LONGEST_COMMENT]
        return f": stream opened; ignored, since it is not known: {names}\n".encode()

    def _refuse(self, why: str) -> None:
        """Send the client away for a while, in a way that it understands.

        EventSource gives up for good on any status but 200, and comes back after one.
        """
        retry = round(REFUSED_FOR * random.uniform(0.5, 1.5) * 1000)
        data = json.dumps({"why": why, "retry": retry})
        self.finish(Event(data, name="refused", retry=retry).encode())
        _refused.warning("%s: %s is told to come back in %d s", why, self.client, retry // 1000)

    def _set_stream_headers(self) -> None:
        self.set_header("Content-Type", MEDIA_TYPE)
        # no-transform: a proxy must not compress, which would hold events back
        self.set_header("Cache-Control", "no-cache, no-transform")
        self.set_header("X-Accel-Buffering", "no")


def farewell(settings: Settings) -> bytes:
    """The event `shutdown`: come back, but not all at the same moment."""
    retry = round(settings.retry * random.uniform(0.5, 1.5))
    return Event("{}", name="shutdown", retry=retry).encode()
