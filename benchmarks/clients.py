"""The load generator: many clients in one process, which has to cost less than a server.

Raw sockets and one epoll; the lines that come are counted, not parsed. A few of the
clients keep what they get, and when the load is over it is checked frame by frame.
"""

import re
import resource
import select
import socket
import ssl
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

MARKER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 2
"""How each line ends. Bytes are searched the faster the longer what is looked for."""

SAMPLES = 20
"""How many of the clients keep what they get."""

CONNECT_TIMEOUT = 30.0
"""Seconds that a server may take to send the first bytes of a stream."""

EXTRA = 0.1
"""Seconds for which the clients listen on when they have everything: is a line doubled?"""

_IN_FLIGHT = 50
"""Connections that are asked for before the first of them has to be answered."""

_READ_SIZE = 256 * 1024
_CARRY = len(MARKER) - 1
_LINE = re.compile(rb'\ndata: ?(?:\{.*?"line": ?")?(\d+) (\d+) ')


def line(number: int, length: int) -> bytes:
    """A log line of `length` bytes that carries its number and the time now."""
    start = b"%d %d " % (number, time.monotonic_ns())
    return start.ljust(length - len(MARKER) - 1, b".") + MARKER + b"\n"


@dataclass(frozen=True)
class Received:
    """What the clients got of one load.

    deliveries: events, over all clients.
    last: when the last of them came, in ns of time.monotonic_ns().
    cpu: CPU time of the load generator in seconds; total_cpu: with that of the check after it.
    latencies: milliseconds from the append of a line to its arrival, at the sampling clients.
    problem: what went wrong, empty if every client got every line once and in order.
    """

    deliveries: int
    last: int
    cpu: float
    total_cpu: float
    latencies: list[float]
    problem: str


def connect(url: str) -> socket.socket:
    """A connection over which `url` has been asked for; with TLS, any certificate will do."""
    parts = urlsplit(url)
    connection = socket.create_connection(
        (parts.hostname, parts.port or 80), timeout=CONNECT_TIMEOUT
    )
    if parts.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection)
    connection.sendall(
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Accept: text/event-stream\r\n\r\n".encode()
    )
    return connection


class _Client:
    """A connection, and how many events have come over it."""

    __slots__ = ("carry", "kept", "pending", "seen", "socket")

    def __init__(self, url: str) -> None:
        self.socket = connect(url)
        self.pending: Callable[[], int] = getattr(self.socket, "pending", lambda: 0)
        """How many bytes are decrypted and not yet read."""
        self.carry = bytes(_CARRY)
        """The last bytes that came."""
        self.seen = 0
        self.kept: list[tuple[int, bytes]] | None = None
        """For a client that samples: what came, and when."""

    def await_first_bytes(self) -> None:
        """Read the response's head and the beginning of its body."""
        data = b""
        while not data.partition(b"\r\n\r\n")[2]:
            received = self.socket.recv(4096)
            if not received:
                raise ConnectionError("the server closed the connection")
            data += received
        if b" 200 " not in data.partition(b"\r\n")[0]:
            raise ConnectionError(f"the server answered {data[:40]!r}")
        self.socket.setblocking(False)


class Crowd:
    """`clients` connections to `url`, all of them streaming lines of so many logs."""

    def __init__(self, url: str, clients: int, logs: int = 1) -> None:
        self._logs = logs
        self._epoll = select.epoll()
        everyone: list[_Client] = []
        for start in range(0, clients, _IN_FLIGHT):
            some = [_Client(url) for _ in range(start, min(clients, start + _IN_FLIGHT))]
            for client in some:
                client.await_first_bytes()
                self._epoll.register(client.socket, select.EPOLLIN)
            everyone += some
        self._clients = {client.socket.fileno(): client for client in everyone}
        self._samples = everyone[:: max(1, clients // SAMPLES)]

    def receive(self, lines: int, seconds: float) -> Received:
        """Wait until every client has got `lines` more events, but no longer than `seconds`."""
        for client in self._clients.values():
            client.seen = 0
        for client in self._samples:
            client.kept = []
        start = time.process_time()
        closed, last = self._read(lines, seconds)
        cpu = time.process_time() - start
        seen = [client.seen for client in self._clients.values()]
        missing = sum(max(0, lines - number) for number in seen)
        if closed:
            problem = f"{closed} connections closed"
        elif missing:
            problem = f"timed out, {missing} of {lines * len(seen)} missing"
        else:
            self._read(lines + 1, EXTRA)
            doubled = sum(client.seen - lines for client in self._clients.values())
            problem = f"{doubled} too many" if doubled else ""
        latencies: list[float] = []
        for client in self._samples:
            numbers, delays = _check(client.kept or [])
            latencies += delays
            for log in range(self._logs):  # the lines were written to them in turn
                own = [number for number in numbers if number % self._logs == log]
                if not problem and own != list(range(log, lines, self._logs)):
                    problem = "lines lost, doubled or out of order"
        total_cpu = time.process_time() - start
        return Received(sum(seen), last, cpu, total_cpu, latencies, problem)

    def _read(self, lines: int, seconds: float) -> tuple[int, int]:
        """Read until all have `lines` events; return how many were closed, and the last arrival."""
        buffer = bytearray(_CARRY + _READ_SIZE)
        place = memoryview(buffer)[_CARRY:]
        deadline = time.monotonic() + seconds
        waiting = len(self._clients)
        closed = 0
        while waiting and (left := deadline - time.monotonic()) > 0:
            ready = [self._clients[descriptor] for descriptor, _ in self._epoll.poll(left)]
            while ready:
                client = ready.pop()
                try:
                    size = client.socket.recv_into(place)
                except ssl.SSLWantReadError:
                    continue
                except ConnectionError:
                    size = 0
                if not size:
                    self._epoll.unregister(client.socket)
                    closed += 1
                    waiting -= client.seen < lines
                    continue
                # a marker that two reads share is seen through what was kept of the first
                buffer[:_CARRY] = client.carry
                seen = client.seen + buffer.count(MARKER, 0, _CARRY + size)
                client.carry = bytes(buffer[size : size + _CARRY])
                if client.kept is not None:
                    client.kept.append((time.monotonic_ns(), bytes(place[:size])))
                waiting -= client.seen < lines <= seen
                client.seen = seen
                if client.pending():
                    ready.append(client)
        return closed, time.monotonic_ns()


def _check(received: list[tuple[int, bytes]]) -> tuple[list[int], list[float]]:
    """The numbers of the lines that came, and how long each of them took, in ms."""
    ends = list(accumulate(len(data) for _, data in received))
    numbers, delays = [], []
    for match in _LINE.finditer(b"".join(data for _, data in received)):
        arrival = received[bisect_left(ends, match.end())][0]
        numbers.append(int(match[1]))
        delays.append((arrival - int(match[2])) / 1e6)
    return numbers, delays


def work(pipe: Connection, url: str, clients: int, logs: int = 1) -> None:
    """What the process of the load generator does: connect, then receive load after load."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        crowd = Crowd(url, clients, logs)
    except OSError as error:
        pipe.send(str(error))
        return
    pipe.send("")
    while order := pipe.recv():
        pipe.send(crowd.receive(*order))


def replay(pipe: Connection, url: str, lines: int) -> None:
    """What the process of one client does that reads `lines` lines as fast as it can.

    It says when it has begun, and then how many seconds it took, or what went wrong.
    """
    client = _Client(url)
    start = time.monotonic()
    pipe.send(None)
    buffer = bytearray(_CARRY + _READ_SIZE)
    place = memoryview(buffer)[_CARRY:]
    seen = 0
    while seen < lines:
        size = client.socket.recv_into(place)
        if not size:
            pipe.send("the server closed the connection")
            return
        seen += buffer.count(MARKER, 0, _CARRY + size)
        buffer[:_CARRY] = buffer[size : size + _CARRY]
    pipe.send(time.monotonic() - start)


def drain(pipe: Connection, url: str) -> None:
    """Take whatever comes from `url`, in a process of its own, and tell `pipe` when that begins."""
    client = _Client(url)
    client.await_first_bytes()
    client.socket.setblocking(True)
    pipe.send(None)
    while client.socket.recv(_READ_SIZE):
        pass
