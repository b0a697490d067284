"""A client that follows a stream of events as a browser's EventSource does.

sseclient-py parses events. What it leaves to others is here: lines that are cut anywhere,
the last event id that outlives a connection, `retry`, coming back, and the end. The law is
WHATWG HTML, section 9.2 "Server-sent events", quoted where it rules.
"""

import os
import random
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self, Unpack

from server.reporting import printable
from server.sse.event import Event
from server.sse.lines import lines_of
from server.wanted import Wanted, address_of
from server.web.addresses import is_loopback

try:
    import requests
    import sseclient
    from urllib3.exceptions import HTTPError
    from urllib3.util import parse_url

    from server.connecting import Adapter, Session, reason_of
except ImportError as error:
    raise ImportError(f"{error}: pip install 'riacho[notebooks]'") from error

CONNECT_TIMEOUT = 10.0
"""Seconds that a server may take to accept a connection."""

LONGEST_WAIT = 60.0
"""Seconds between two attempts, at the most, unless the server asks for more."""

LONGEST_RETRY = 24 * 60 * 60 * 1000
"""Milliseconds that a server can ask for with `retry`."""

COME_BACK = (429, 502, 503, 504)
"""Statuses that pass: somebody has shown wrong tokens, or a proxy's server is away."""

LONGEST_EVENT = 128 * 1024 * 1024
"""Bytes of an event, at the most: a server that never ends one shall not fill the memory.

Twice the longest line that `--max-line` lets a server send.
"""

_READ_SIZE = 64 * 1024
"""Bytes that are read at once, at the most."""

_LONGEST_REASON = 1000
"""Bytes of an answer that says why it is no stream, at the most."""

_BLOCK = 100
"""Lines of data that sseclient-py gets at once, at the most."""


class StreamRefusedError(Exception):
    """The server's answer is no stream of events, or none to read; it is of no use to come back."""


class Follower:
    """The events of the stream at `url`, for as long as there are any: iterate over it.

    It comes back after `retry` milliseconds when the connection is lost, later each time
    that it finds nobody, up to a minute; and goes on after the last event that it gave. It
    ends when the server says so, by the status 204 or the event `close`, and when `close`
    is called, from whatever thread. A server that is silent for `read_timeout` seconds is
    taken for lost: let that be longer than its keep-alive interval.

    Raises StreamRefusedError for an answer that is no stream of events, is compressed
    although nobody asked for that, or has an event of more than `longest_event` bytes; and
    ValueError for a `url` that is none. `changed` is called with each new state, by the
    thread that iterates.
    """

    def __init__(
        self,
        url: str,
        *,
        last_event_id: str = "",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: int = 3000,
        read_timeout: float = 45.0,
        longest_event: int = LONGEST_EVENT,
        changed: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url
        self.last_event_id = last_event_id
        self.retry = retry
        """Milliseconds; the server may set it."""
        self.state = "closed"
        """`connecting`, `open`, `waiting` (to come back) or `closed`."""
        self.trouble = ""
        """Why the connection before ended, or could not be made; empty if it just ended."""
        self._headers = {
            # exactly this: jupyter-server-proxy streams nothing else
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            "Accept-Encoding": "identity",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **(headers or {}),
        }
        self._read_timeout = read_timeout
        self._longest_event = longest_event
        self._unfinished = 0
        """Bytes that have come since the last event was whole."""
        self._changed = changed
        self._closed = threading.Event()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, also while it waits for an answer, for an event or to come back."""
        self._closed.set()
        self._cut()

    def _cut(self) -> None:
        connection = self._socket
        if connection:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself

    def _connected(self, connection: socket.socket | None) -> None:
        """Keep the socket of the connection that there is now, for another thread to cut."""
        before, self._socket = (
            self._socket,
            socket.socket(fileno=os.dup(connection.fileno())) if connection else None,
        )
        if before:
            before.close()
        if self._closed.is_set():
            self._cut()

    def __iter__(self) -> Iterator[Event]:
        attempts = 0
        try:
            while not self._closed.is_set():
                self._show("connecting")
                trouble = ""
                try:
                    with self._session() as session, self._connect(session) as response:
                        if response.status_code == 204:
                            return
                        if response.status_code in COME_BACK:
                            trouble = f"{response.status_code} {response.reason}"
                        else:
                            self._show("open")
                            for event in self.parse(self._receive(response)):
                                attempts = 0
                                yield event
                                if event.name == "close" or self._closed.is_set():
                                    return
                except (requests.RequestException, HTTPError) as error:
                    if isinstance(error, ValueError):
                        raise ValueError(f"{self.url!r} is no stream's address: {error}") from None
                    trouble = reason_of(error)
                finally:
                    self._connected(None)
                if self._closed.is_set():
                    return
                self.trouble = trouble
                self._show("waiting")
                wait = self.retry / 1000
                self.pause(max(wait, min(wait * 2**attempts, LONGEST_WAIT)))
                attempts = min(attempts + 1, 10)
        finally:
            self._show("closed")

    def pause(self, seconds: float) -> None:
        """Wait so long or a bit longer: not all clients of a server shall come back at once."""
        self._closed.wait(seconds * random.uniform(1, 1.25))

    def _show(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if self._changed:
                self._changed(state)

    def _session(self) -> Session:
        session = Session()
        # no proxy is asked for what is on this machine, as browsers do
        session.trust_env = not is_loopback(parse_url(self.url).host or "")
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(self._connected))
        return session

    def _connect(self, session: Session) -> requests.Response:
        headers: dict[str, str | bytes] = dict(self._headers)
        # "encoded as UTF-8"; spaces around it are not part of a header
        if id := self.last_event_id.encode().strip():
            headers["Last-Event-ID"] = id
        timeout = (CONNECT_TIMEOUT, self._read_timeout)
        try:
            response = session.get(self.url, headers=headers, stream=True, timeout=timeout)
        except ValueError as error:
            if not session.redirect:
                raise
            raise StreamRefusedError(f"{session.redirect}, which is no address: {error}") from None
        kind = response.headers.get("Content-Type", "nothing")
        status = response.status_code
        if status == 204 or status in COME_BACK:
            return response
        if status != 200 or kind.partition(";")[0].strip().lower() != "text/event-stream":
            with response:
                said = b"" if "html" in kind else response.raw.read(_LONGEST_REASON)
            reason = said.decode(errors="replace").partition("\n")[0] or response.reason
            if status == 400:
                raise StreamRefusedError(f"{self.url} was refused: {printable(reason)}")
            raise StreamRefusedError(
                f"{self.url} gave {status} {reason!r} as {kind!r}: it is no stream of events, "
                "or one that asks for a token"
            )
        # what is packed may be a million times as long
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in f"identity, {response.request.headers['Accept-Encoding']}".lower():
            response.close()
            raise StreamRefusedError(
                f"{self.url} gave events as {encoding!r}, although nobody asked for that: let the "
                "server, and what stands before it, leave streams uncompressed"
            )
        return response

    def _receive(self, response: requests.Response) -> Iterator[bytes]:
        """The bytes that come on one connection, until it ends."""
        self._unfinished = 0
        while not self._closed.is_set() and (chunk := response.raw.read1(_READ_SIZE, True)):
            self._unfinished += len(chunk)
            yield chunk  # who parses it says if it ends an event
            if self._unfinished > self._longest_event:
                raise StreamRefusedError(
                    f"{self.url} gave {self._unfinished} bytes of an event without its end: "
                    "a larger `longest_event` would let it come"
                )

    def parse(self, chunks: Iterable[bytes]) -> Iterator[Event]:
        """The events of one connection, whose bytes come in `chunks` that are cut anywhere.

        `last_event_id` and `retry` are what the bytes so far have made of them. It connects to
        nobody, so what was recorded can be read, too.
        """
        for blocks in self._whole_events(chunks):
            parts = list(sseclient.SSEClient(iter(blocks)).events())
            if parts:
                data = "\n".join(part.data for part in parts)
                yield Event(data, self.last_event_id, parts[-1].event)

    def _whole_events(self, chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Each event of a stream in blocks that sseclient-py understands, and only whole ones.

        "Once the end of the file is reached, any pending data must be discarded."
        """
        id, name, data, blocks = self.last_event_id, "", list[str](), list[bytes]()
        for line in lines_of(chunks):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            # "If the field value does not contain U+0000 NULL, then set the last event ID
            # buffer to the field value."
            if field == "id" and "\0" not in value:
                id = value
            # "If the field value consists of only ASCII digits"
            elif field == "retry" and value.isascii() and value.isdigit():
                self.retry = min(int(value.lstrip("0")[:20] or "0"), LONGEST_RETRY)
            elif field == "event":
                name = line
            elif field == "data":
                if len(data) == _BLOCK:
                    blocks.append(_block(data))
                    data = []
                data.append(line)
            elif not line:
                self.last_event_id = id
                if data:
                    yield [*blocks, _block([*data, name] if name else data)]
                name, data, blocks = "", [], []
            if not data:
                self._unfinished = 0


def _block(lines: list[str]) -> bytes:
    """Some of an event's lines as an event of their own, for sseclient-py.

    The time that it takes for an event grows with the square of its lines. And lines take
    several times the memory of their text as long as they are apart.
    """
    return "\n".join([*lines, "", ""]).encode()


def follow(
    url: str,
    *,
    last_event_id: str = "",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    **wanted: Unpack[Wanted],
) -> Iterator[Event]:
    """The events of the stream at `url`, as a `Follower` gives them, until the loop is left.

    What is `wanted` of `/stream-logs` is added to the query of `url`: `log`, `grep`, `invert`,
    `ignore_case`, `level`, `since`, `until`, `backlog`, `from_start` and `format`, as `Wanted`
    has them.
    """
    options = {"last_event_id": last_event_id, "token": token, "headers": headers}
    with Follower(address_of(url, **wanted), **options) as follower:  # type: ignore[arg-type]
        yield from follower
