"""Clients that stop reading, beside clients that go on.

A log grows steadily. Some clients read it as it comes; as many others have asked for it and
take nothing until the log has grown to its full size, and then read on.
"""

import re
import select
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.clients import MARKER, SAMPLES, line
from benchmarks.loads import LENGTH, Figures
from benchmarks.servers import RIACHO, running

TICK = 0.01
"""Seconds between two appends."""

PATIENCE = 300.0
"""Seconds in which all clients have to get all lines once they are written."""

_READ_SIZE = 256 * 1024
_LINE = re.compile(rb"\ndata: \d+ (\d+) ")


class Listener:
    """One connection that counts lines, and for every read how old its first line is."""

    def __init__(self, url: str, samples: bool) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=30)
        host = parts.netloc
        self.socket.sendall(
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        )
        self.lines = 0
        self.delays: list[float] = []
        self._samples = samples
        self._rest = b""
        while b"\n\n" not in self._rest:
            self._rest += self.socket.recv(4096)

    def receive(self) -> bool:
        """Take what has come; whether there may be more."""
        data = self.socket.recv(_READ_SIZE)
        now = time.monotonic_ns()
        if b"event: gap" in data:
            return False
        if self._samples and (first := _LINE.search(data)):
            self.delays.append((now - int(first[1])) / 1e6)
        self.lines += (self._rest + data).count(MARKER)
        self._rest = data[-len(MARKER) + 1 :]
        return bool(data)


def listen(pipe: Connection, url: str, clients: int) -> None:
    """What a process of clients does: connect, wait for the word, receive so many lines."""
    everyone = [Listener(url, number < SAMPLES) for number in range(clients)]
    pipe.send(None)
    lines = pipe.recv()
    by_descriptor = {client.socket.fileno(): client for client in everyone}
    poll = select.epoll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    started = time.monotonic()
    waiting = clients
    while waiting and time.monotonic() - started < PATIENCE:
        for descriptor, _ in poll.poll(1):
            client = by_descriptor[descriptor]
            if not client.receive() or client.lines >= lines:
                poll.unregister(descriptor)
                waiting -= 1
    seconds = time.monotonic() - started
    delays = [delay for client in everyone for delay in client.delays]
    pipe.send((seconds, delays, [client.lines for client in everyone]))


@contextmanager
def crowd(url: str, clients: int) -> Iterator[Connection]:
    """A process of clients that have connected."""
    here, there = Pipe()
    process = Process(target=listen, args=(there, url, clients), daemon=True)
    process.start()
    here.recv()
    try:
        yield here
    finally:
        process.terminate()
        process.join()


def measure(clients: int, stalled: int, megabytes: float, seconds: float) -> Figures:
    """What one such load took; the log grows to `megabytes` within `seconds`."""
    lines = round(megabytes * 1e6 / LENGTH)
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "app.log"
        log.touch()
        with (
            running(RIACHO, log) as server,
            crowd(server.url, clients) as normal,
            crowd(server.url, stalled) as others,
            log.open("ab", buffering=0) as file,
        ):
            memory, buffers = server.memory(), socket_memory()
            peak = peak_buffers = 0
            normal.send(lines)
            started, written = time.monotonic(), 0
            while written < lines:
                due = min(lines, round((time.monotonic() - started) / seconds * lines))
                file.write(b"".join(line(number, LENGTH) for number in range(written, due)))
                written = due
                peak = max(peak, server.memory() - memory)
                peak_buffers = max(peak_buffers, socket_memory() - buffers)
                time.sleep(TICK)
            _, delays, got = normal.recv()
            others.send(lines)
            catch_up, _, got_later = others.recv()
            peak = max(peak, server.memory() - memory)
    missing = sum(lines - count for count in (*got, *got_later))
    return Figures(
        f"{missing} lines are missing" if missing else "",
        clients,
        lines,
        p50_ms=statistics.median(delays),
        p99_ms=statistics.quantiles(delays, n=100)[98],
        growth_mb=peak / 2**20,
        buffers_mb=peak_buffers / 2**20,
        log_mb_s=stalled * megabytes / catch_up if stalled else None,
    )


def socket_memory() -> int:
    """Bytes of the kernel's buffers of all TCP sockets on this machine (proc(5))."""
    match = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    assert match
    return int(match[1]) * 4096
