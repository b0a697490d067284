"""Clients: what each asks for, got and does next."""

import random
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.audit.writer import clock, number_of

SETTLING = 60.0
"""Seconds without any progress after which clients have not got what they will ever get."""

SETTLED = 240.0
"""Seconds after which they have not, whatever they get."""


@dataclass(slots=True)
class Run:
    """Lines that a client got one after the other."""

    first: int
    last: int
    began: float
    ended: float
    first_id: bytes
    last_id: bytes
    server: int = 0
    """From which of the servers."""


@dataclass(slots=True)
class Fact:
    """Anything else that befell a client."""

    name: str
    text: str
    at: float
    server: int = 0
    """From which of the servers, if from any."""


class Received:
    """What has come to a client of one log, and what has befallen it.

    query: what it asked for. It is read on until the client has left.
    """

    def __init__(self, name: str, query: str) -> None:
        self.name = name
        self.query = query
        self.history: list[Run | Fact] = []
        self.last = 0
        self.delivered = 0
        self.has_left = False
        self.server = 0
        """Which of the servers it reads from."""
        self._run: Run | None = None
        self._part = b""
        """What has come of a line that is not finished."""
        self._is_part = self._continues = False

    def note(self, name: str, text: str = "") -> None:
        self.history.append(Fact(name, text, clock(), self.server))
        self._run = None

    def take_fact(self, name: str, text: str) -> None:
        """Take an event that says something of the stream."""
        self._is_part |= name == "unfinished"
        self._continues |= name == "continued"
        self.note(name, text)

    def take(self, line: bytes, id: bytes, now: float) -> None:
        """Take a line, or a part of one: parts are put together before they are looked at."""
        if self._continues:
            line = self._part + line
        elif self._part:  # the file ended there
            self.history.append(Fact("torn", self._part.decode("latin-1"), now))
        is_part, self._is_part, self._continues = self._is_part, False, False
        self._part = line if is_part else b""
        if not is_part:
            self._take_whole(line, id, now)

    def _take_whole(self, line: bytes, id: bytes, now: float) -> None:
        self.delivered += 1
        number = number_of(line)
        if number is None:
            self.history.append(Fact("piece", line.decode("latin-1"), now))
            return
        run = self._run
        if run and number == run.last + 1:
            run.last, run.ended, run.last_id = number, now, id
        else:
            self._run = Run(number, number, now, now, id, id, self.server)
            self.history.append(self._run)
        self.last = number


class Client(Received):
    """What one client asks for, got and does next."""

    def __init__(self, name: str, query: str, window: int) -> None:
        super().__init__(name, query)
        self.socket: socket.socket | None = None
        self.is_reading = False
        self.stalled_until = self.absent_until = 0.0
        self.id = b""
        self._window = window
        self._buffer = b""
        self._in_body = False

    def connect(self, port: int) -> None:
        """Ask for the stream, after the last event. Raises OSError."""
        self._buffer, self._in_body = b"", False
        connection = socket.socket()
        try:
            if self._window:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
            connection.settimeout(1)
            connection.connect(("127.0.0.1", port))
            # HTTP/1.0: the body comes unchunked
            request = b"GET /stream-logs?%b HTTP/1.0\r\n" % self.query.encode()
            if self.id:
                request += b"Last-Event-ID: %b\r\n" % self.id
            connection.sendall(request + b"\r\n")
            connection.setblocking(False)
        except OSError:
            connection.close()
            raise
        self.socket = connection
        self.note("connect", self.id.decode() or self.query)

    def feed(self, data: bytes) -> None:
        data = self._buffer + data
        if not self._in_body:
            head, found, body = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = data
                return
            self._in_body = True
            if b" 200 " not in head.split(b"\r\n")[0]:
                self.note("refused", head.decode("latin-1"))
            data = body
        data = data.replace(b": keep-alive\n", b"") if data.startswith(b": keep-alive") else data
        whole = data.rfind(b"\n\n")
        if whole < 0:
            self._buffer = data
            return
        self._buffer = data[whole + 2 :]
        now = clock()
        for frame in data[:whole].split(b"\n\n"):
            head, is_line, line = frame.partition(b"\ndata: ")
            if is_line and head.startswith(b"id: "):
                self.id = head[4:]
                self.take(line, self.id, now)
            else:
                self._take_any(frame, head, line if is_line else None, now)

    def _take_any(self, frame: bytes, head: bytes, data: bytes | None, now: float) -> None:
        """Take a frame that may be anything, also one that other fields stand before."""
        fields = {name: value for name, _, value in (f.partition(b": ") for f in head.split(b"\n"))}
        self.id = fields.get(b"id", self.id)
        if b"event" in fields:
            self.take_fact(fields[b"event"].decode(), frame.decode())
        elif data is not None:
            self.take(data, self.id, now)
        elif b"id" in fields:
            self.note("id", self.id.decode())


class Audience(threading.Thread):
    """All clients, each of which comes back whenever its connection ends."""

    def __init__(self, port: int, count: int, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.everyone: list[Client] = []
        self.error: BaseException | None = None
        self._random = chance
        self._selector = selectors.DefaultSelector()
        self._stopped = False
        self.seats = [self._newcomer(i) for i in range(count)]

    def _newcomer(self, seat: int) -> Client:
        query = self._random.choice(["from=start", "backlog=0", "backlog=10", ""])
        window = 0 if seat % 2 else 16 * 1024
        client = Client(f"client {len(self.everyone)} ({query})", query, window)
        self.everyone.append(client)
        return client

    def pick(self, most: int) -> list[Client]:
        most = min(most, len(self.seats))
        return self._random.sample(self.seats, self._random.randint(1, most))

    def replace(self) -> None:
        """One client leaves for good, another one comes."""
        seat = self._random.randrange(len(self.seats))
        self.seats[seat].has_left = True
        self.seats[seat] = self._newcomer(seat)

    def run(self) -> None:
        try:
            while not self._stopped:
                for key, _ in self._selector.select(0.01):
                    self._receive(key.data)
                now = clock()
                for client in self.everyone:
                    self._tend(client, now)
        except BaseException as error:
            self.error = error
            raise

    def _tend(self, client: Client, now: float) -> None:
        """Have a client do what it should do now."""
        if client.has_left or now < client.absent_until:
            self._hang_up(client)
        elif client.socket is None:
            try:
                client.connect(self.port)
            except OSError:
                client.absent_until = now + 0.1
        if client.socket:
            should_read = now >= client.stalled_until
            if should_read and not client.is_reading:
                self._selector.register(client.socket, selectors.EVENT_READ, client)
            elif client.is_reading and not should_read:
                self._selector.unregister(client.socket)
            client.is_reading = should_read

    def _receive(self, client: Client) -> None:
        assert client.socket
        try:
            data = client.socket.recv(256 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            client.feed(data)
        else:
            self._hang_up(client)
            client.absent_until = clock() + 0.05

    def _hang_up(self, client: Client) -> None:
        if client.socket:
            if client.is_reading:
                self._selector.unregister(client.socket)
            client.socket.close()
            client.socket, client.is_reading = None, False

    def settle(self, has_all: Callable[[Client], bool]) -> None:
        """Wait until all have got everything, or nobody gets anything any more."""
        for client in self.seats:
            client.stalled_until = client.absent_until = 0.0
        progress, since = -1, clock()
        latest = since + SETTLED
        while clock() < min(since + SETTLING, latest) and any(
            not has_all(client) for client in self.seats
        ):
            delivered = sum(client.delivered for client in self.seats)
            if delivered != progress:
                progress, since = delivered, clock()
            threading.Event().wait(0.05)
        self._stopped = True
        self.join()
