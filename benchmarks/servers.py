"""The servers under test: each a process of its own, whose CPU time and memory are read."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil


@dataclass(frozen=True)
class Peer:
    """A server: its name, the command that serves the file LOG, and what to ask for."""

    name: str
    module: str
    options: tuple[str, ...] = ()
    path: str = "/"


RIACHO = Peer("Riacho", "server", ("--port", "0", "--no-log-writer"), "/stream-logs?backlog=0")

PEERS = (
    RIACHO,
    Peer("sse-starlette, uvicorn, uvloop", "benchmarks.peers.sse_starlette_app"),
    Peer("aiohttp-sse, uvloop", "benchmarks.peers.aiohttp_sse_app"),
    Peer("floor: bare blocking sockets", "benchmarks.peers.blaster"),
)


class Server:
    """A running server, and the processes it has started."""

    def __init__(self, process: psutil.Process, url: str) -> None:
        self.url = url
        self._process = process

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def cpu(self) -> float:
        """CPU time so far, user and system, in seconds."""
        return sum(sum(process.cpu_times()[:4]) for process in self._family())

    def memory(self) -> int:
        """Resident memory in bytes."""
        return sum(process.memory_info().rss for process in self._family())

    def warm_up(self) -> None:
        """Make one connection and drop it, so that what the first one loads is loaded."""
        parts = urlsplit(self.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
            connection.sendall(request.encode())
            connection.recv(4096)

    def stop(self) -> None:
        """Kill it and all it has started."""
        family = self._family()
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(family)


@contextmanager
def running(peer: Peer, log: Path) -> Iterator[Server]:
    """`peer`, started and serving `log`. Raises OSError if it does not start."""
    command = [sys.executable, "-m", peer.module, str(log), *peer.options]
    errors = log.with_suffix(".stderr")
    with (
        errors.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout is not None
        address = None
        while not address and (text := process.stdout.readline()):
            address = re.match(r" +(http://[\d.:]+)/", text)
        if not address:
            raise OSError(f"{peer.name} did not start:\n{errors.read_text()}")
        server = Server(psutil.Process(process.pid), address[1] + peer.path)
        try:
            yield server
        finally:
            server.stop()
