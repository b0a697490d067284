"""The servers under test: each a process of its own, whose CPU time and memory are read."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import psutil

from benchmarks.clients import connect
from benchmarks.peers.nchan import MODULE

HERE = Path(__file__).parent
PEERS_DIRECTORY = HERE / "peers"
FLOOR = HERE.parent / "build" / "floor"


@dataclass(frozen=True)
class Peer:
    """A server: its name, the command that serves the file LOG, and what to ask for."""

    name: str
    command: tuple[str, ...]
    options: tuple[str, ...] = ()
    path: str = "/"
    prepare: Callable[[], None] = lambda: None
    """Sets up what it needs. Raises OSError or CalledProcessError where that cannot be had."""


def _compile_floor() -> None:
    source = HERE / "floor.c"
    if FLOOR.exists() and FLOOR.stat().st_mtime > source.stat().st_mtime:
        return
    FLOOR.parent.mkdir(exist_ok=True)
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(FLOOR), str(source)]
    subprocess.run(command, check=True)


def _install_better_sse() -> None:
    if not (PEERS_DIRECTORY / "node_modules" / "better-sse").is_dir():
        options = ("--silent", "--no-audit", "--no-fund", "--no-package-lock")
        subprocess.run(["npm", "install", *options], cwd=PEERS_DIRECTORY, check=True)


def _look_for_nchan() -> None:
    if not MODULE.exists():
        raise OSError("apt-get install libnginx-mod-nchan")


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


RIACHO = Peer(
    "Riacho", _module("server"), ("--port", "0", "--no-log-writer"), "/stream-logs?backlog=0"
)
WATCHED = Peer(RIACHO.name, _module("benchmarks.peers.watched"), path=RIACHO.path)
JSON = replace(RIACHO, name="Riacho, one log as JSON", path=f"{RIACHO.path}&format=json")
ONE_OF_MANY = replace(RIACHO, path=f"{RIACHO.path}&log=000*")
MERGED = replace(RIACHO, name="Riacho, 20 logs merged", path=f"{RIACHO.path}&log=*")
C_FLOOR = Peer("floor: C, epoll and send", (str(FLOOR),), prepare=_compile_floor)
TLS_FLOOR = Peer("floor: bare blocking sockets", _module("benchmarks.peers.blaster"))
SSE_STARLETTE = Peer(
    "sse-starlette, uvicorn, uvloop", _module("benchmarks.peers.sse_starlette_app")
)

PEERS = (
    RIACHO,
    C_FLOOR,
    Peer("nginx nchan", _module("benchmarks.peers.nchan"), prepare=_look_for_nchan),
    Peer(
        "better-sse, Node",
        ("node", str(PEERS_DIRECTORY / "better_sse.mjs")),
        prepare=_install_better_sse,
    ),
    Peer("aiohttp-sse, uvloop", _module("benchmarks.peers.aiohttp_sse_app")),
    SSE_STARLETTE,
    Peer("FastAPI, uvicorn, uvloop", _module("benchmarks.peers.fastapi_app")),
)


class Server:
    """A running server, and the processes it has started."""

    def __init__(self, process: psutil.Process, url: str, stdin: IO[bytes] | None = None) -> None:
        self.url = url
        self.stdin = stdin
        """Its standard input, where that is a pipe."""
        self._process = process

    @property
    def children(self) -> int:
        """How many processes it has started that run now: each follows a log."""
        return len(self._family()) - 1

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def cpu(self) -> float:
        """CPU time so far, user and system, in seconds."""
        return sum(cpu_time(process.pid) for process in self._family())

    def memory(self) -> int:
        """Resident memory in bytes."""
        return sum(process.memory_info().rss for process in self._family())

    def warm_up(self) -> None:
        """Make one connection and drop it, so that what the first one loads is loaded."""
        with connect(self.url) as connection:
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


def cpu_time(pid: int) -> float:
    """CPU time of a process so far, to the nanosecond: see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def running(peer: Peer, log: Path, *options: str, stdin: int | None = None) -> Iterator[Server]:
    """`peer`, started and serving `log`. Raises OSError if it does not start."""
    command = [*peer.command, str(log), *peer.options, *options]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        address = None
        while not address and (text := process.stdout.readline()):
            address = re.match(rb" +(https?://[\d.:]+)/", text)
        if not address:
            errors.seek(0)
            raise OSError(f"{peer.name} did not start:\n{errors.read().decode()}")
        url = address[1].decode() + peer.path
        server = Server(psutil.Process(process.pid), url, process.stdin)
        try:
            yield server
        finally:
            server.stop()
