"""Loads: a server, a log that grows, and the clients that wait for its lines.

Each server is a process of its own and follows a file; this process appends to the file
and reads the server's CPU time and memory; a third one is all the clients.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.clients import Received, line, work
from benchmarks.servers import Peer, Server, running

LENGTH = 100
"""Bytes of a line, its newline included."""

HISTORY = 100
"""Lines that the log has before the server starts."""

TIMEOUT = 120.0
"""Seconds after which a load is given up."""

SETTLE = 0.5
"""Seconds of silence before memory is read and before a load begins."""

_LOOK = 0.02
"""Seconds between two looks at the server's memory during a burst."""

Append = Callable[[Sequence[int], int], None]
"""Writes so many lines to the files with these descriptors, in turn."""


@dataclass(frozen=True)
class Figures:
    """What one load took. None is what it does not measure."""

    problem: str = ""
    """What went wrong: then nothing else counts."""
    clients: int = 0
    lines: int = 0
    cpu_us: float | None = None
    """CPU time of the server per delivery, in microseconds."""
    line_us: float | None = None
    """CPU time of the server per line, in microseconds."""
    deliveries_s: float | None = None
    """Deliveries a second, from the first append to the last arrival."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    """From the append of a line to its arrival at a client, in milliseconds."""
    client_kb: float | None = None
    """Resident memory per connected client that gets nothing, in KB (1,024 bytes)."""
    connect_us: float | None = None
    """CPU time of the server per client that connects, in microseconds."""
    growth_mb: float | None = None
    """How much the server's resident memory grew at the most, in MB (1,048,576 bytes)."""
    buffers_mb: float | None = None
    """The same of the kernel's buffers of all sockets on the machine, both ends."""
    generator_us: float | None = None
    """CPU time of the load generator per delivery, in microseconds."""
    generator_share: float | None = None
    """The load generator's CPU time in parts of the time that the load took."""
    other_share: float | None = None
    """What the machine did beside all this, in parts of all its cores: the noise."""
    blocked_ms: float | None = None
    """The most CPU time that one round of the server's event loop took, in milliseconds."""
    blocked_connecting_ms: float | None = None
    """The same while the clients connected."""
    log_mb_s: float | None = None
    """Log that was read back, in MB (1,000,000 bytes) a second."""
    memory_mb: float | None = None
    """Resident memory of the server, in MB (1,048,576 bytes)."""
    cpu_share: float | None = None
    """CPU time of the server in parts of a core."""
    seconds: float | None = None
    import_seconds: float | None = None
    lines_s: float | None = None
    """Lines a second."""


class Load:
    """A server, the logs it follows and the clients it serves."""

    def __init__(
        self, server: Server, logs: Sequence[Path], clients: int, pipe: Connection
    ) -> None:
        self.server = server
        self.clients = clients
        self._logs = logs
        self._pipe = pipe

    def run(self, lines: int, append: Append) -> Figures:
        """Have `append` write the lines, and wait until every client has them."""
        self._pipe.send((lines, TIMEOUT))
        time.sleep(_LOOK)
        memory = most = self.server.memory()
        files = [os.open(log, os.O_WRONLY | os.O_APPEND) for log in self._logs]
        busy, own = _busy(), time.process_time()
        cpu, start = self.server.cpu(), time.monotonic_ns()
        append(files, lines)
        for file in files:
            os.close(file)
        while not self._pipe.poll(_LOOK):
            most = max(most, self.server.memory())
        received: Received = self._pipe.recv()
        cpu = self.server.cpu() - cpu
        waited = (time.monotonic_ns() - start) / 1e9
        own = time.process_time() - own
        other = _busy() - busy - own - cpu - received.total_cpu
        seconds = (received.last - start) / 1e9
        if received.problem:
            return Figures(received.problem, self.clients, lines)
        percentiles = quantiles(received.latencies, n=100)
        return Figures(
            clients=self.clients,
            lines=lines,
            cpu_us=cpu / received.deliveries * 1e6,
            line_us=cpu / lines * 1e6,
            deliveries_s=received.deliveries / seconds,
            p50_ms=percentiles[49],
            p99_ms=percentiles[98],
            growth_mb=(most - memory) / 2**20,
            generator_us=received.cpu / received.deliveries * 1e6,
            generator_share=received.cpu / seconds,
            other_share=max(0.0, other) / waited / (os.cpu_count() or 1),
        )


def _busy() -> float:
    """CPU time of all processes so far, in seconds.

    The machine's own total is sampled by its clock tick, with which a trickle can be in step.
    """
    processes = psutil.process_iter(["cpu_times"])
    return sum(sum(process.info["cpu_times"][:4]) for process in processes)


@contextmanager
def serving(
    peer: Peer, *options: str, history: Callable[[Path], None] | None = None, logs: int = 1
) -> Iterator[tuple[Server, Path]]:
    """`peer` and the log that it serves, which `history` has written. Raises OSError.

    Of several logs, it is their directory.
    """
    peer.prepare()
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "bench.log" if logs == 1 else "logs")
        if logs > 1:
            log.mkdir()
        for one in [log] if logs == 1 else [log / f"{number:03}.log" for number in range(logs)]:
            (history or _write_history)(one)
        with running(peer, log, *options) as server:
            server.warm_up()
            time.sleep(SETTLE)
            yield server, log


def files_of(log: Path) -> list[Path]:
    """The log, or all logs in the directory."""
    return sorted(log.iterdir()) if log.is_dir() else [log]


def _write_history(log: Path) -> None:
    log.write_bytes(b"".join(line(number, LENGTH) for number in range(HISTORY)))


@contextmanager
def connected(
    server: Server, log: Path, clients: int, url: str = "", files: Sequence[Path] = ()
) -> Iterator[Load]:
    """The process of the load generator. Raises OSError if not all clients can connect.

    url: what the clients ask for, if that is not the server's own.
    files: the logs that grow, if these are not all.
    """
    files = files or files_of(log)
    with worker(work, url or server.url, clients, len(files)) as pipe:
        if problem := pipe.recv():
            raise OSError(problem)
        time.sleep(SETTLE)
        yield Load(server, files, clients, pipe)
        pipe.send(None)


@contextmanager
def worker(task: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """A process that runs `task` with one end of a pipe; the other end is given."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=task, args=(other, *arguments))
    process.start()
    other.close()
    try:
        yield pipe
    finally:
        process.join(timeout=1)
        process.kill()
        process.join()


def slowly(rate: float, length: int = LENGTH) -> Append:
    """One line at a time, `rate` a second."""

    def append(files: Sequence[int], lines: int) -> None:
        start = time.monotonic()
        for number in range(lines):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            os.write(files[number % len(files)], line(number, length))

    return append


def at_once(files: Sequence[int], lines: int) -> None:
    """All lines with one write, to the only file."""
    [file] = files
    os.write(file, b"".join(line(number, LENGTH) for number in range(lines)))


def steady(
    peer: Peer,
    clients: int,
    rate: float,
    seconds: float,
    length: int = LENGTH,
    *options: str,
    logs: int = 1,
) -> Figures:
    """`rate` lines a second for `seconds`, after a second of the same to warm up.

    Raises OSError if the server does not start or not all clients can connect.
    """
    append = slowly(rate, length)
    with serving(peer, *options, logs=logs) as (server, log):
        memory, cpu = server.memory(), server.cpu()
        with connected(server, log, clients) as load:
            connect_us = (server.cpu() - cpu) / clients * 1e6
            client_kb = (server.memory() - memory) / clients / 1024
            warm_up = load.run(max(2, round(rate)), append)
            if warm_up.problem:
                return warm_up
            figures = load.run(round(seconds * rate), append)
            return replace(figures, client_kb=client_kb, connect_us=connect_us)
