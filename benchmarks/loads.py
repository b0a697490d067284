"""How much it takes to hand a log's lines to many clients: Riacho beside its peers.

Each server is a process of its own and follows a file; this process appends to the file
and reads the server's CPU time and memory; a third one is all the clients.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

from benchmarks.clients import Received, line, work
from benchmarks.servers import PEERS, RIACHO, Peer, Server, running

RATE = 100
"""Lines a second of the trickle."""

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

PACKAGES = ("tornado", "sse-starlette", "uvicorn", "httptools", "aiohttp", "aiohttp-sse", "uvloop")


@dataclass(frozen=True)
class Figures:
    """What one load took. None where it failed; `problem` says how."""

    clients: int
    lines: int
    problem: str = ""
    cpu_us: float | None = None
    """CPU time of the server per delivery, in microseconds."""
    deliveries_s: float | None = None
    """Deliveries a second, from the first append to the last arrival."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    """From the append of a line to its arrival at a client, in milliseconds."""
    client_kb: float | None = None
    """Resident memory per connected client that gets nothing, in KB (1,024 bytes)."""
    growth_mb: float | None = None
    """How much the server's resident memory grew at the most, in MB (1,048,576 bytes)."""
    generator_us: float | None = None
    """CPU time of the load generator per delivery, in microseconds."""
    generator_share: float | None = None
    """The load generator's CPU time in parts of the time that the load took."""
    other_share: float | None = None
    """What the machine did beside all this, in parts of all its cores: the noise."""


class Load:
    """A server, the log it follows and the clients it serves."""

    def __init__(self, server: Server, log: Path, clients: int, pipe: Any) -> None:
        self.server = server
        self.clients = clients
        self._log = log
        self._pipe = pipe

    def run(self, lines: int, append: Callable[[int, int], None]) -> Figures:
        """Have `append(file, lines)` write the lines, and wait until every client has them."""
        self._pipe.send((lines, TIMEOUT))
        time.sleep(_LOOK)
        memory = most = self.server.memory()
        file = os.open(self._log, os.O_WRONLY | os.O_APPEND)
        busy, own = _busy(), time.process_time()
        cpu, start = self.server.cpu(), time.monotonic_ns()
        append(file, lines)
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
            return Figures(self.clients, lines, received.problem)
        percentiles = quantiles(received.latencies, n=100)
        return Figures(
            clients=self.clients,
            lines=lines,
            cpu_us=cpu / received.deliveries * 1e6,
            deliveries_s=received.deliveries / seconds,
            p50_ms=percentiles[49],
            p99_ms=percentiles[98],
            growth_mb=(most - memory) / 2**20,
            generator_us=received.cpu / received.deliveries * 1e6,
            generator_share=received.cpu / seconds,
            other_share=max(0.0, other) / waited / (os.cpu_count() or 1),
        )


def trickle(peer: Peer, clients: int, seconds: float) -> Figures:
    """RATE lines a second for `seconds`, after a second of the same to warm up."""
    with _serving(peer) as (server, log):
        memory = server.memory()
        with _connected(server, log, clients) as load:
            kb = (server.memory() - memory) / clients / 1024
            warm_up = load.run(RATE, _append_slowly)
            if warm_up.problem:
                return warm_up
            return replace(load.run(round(seconds * RATE), _append_slowly), client_kb=kb)


def burst(peer: Peer, clients: int, lines: int) -> Figures:
    """`lines` lines at once, after a few of them to warm up."""
    with _serving(peer) as (server, log), _connected(server, log, clients) as load:
        warm_up = load.run(RATE, _append_at_once)
        return warm_up if warm_up.problem else load.run(lines, _append_at_once)


def best(rounds: int, load: Callable[[], Figures]) -> Figures:
    """Of several rounds the one that took least CPU time of the server; one that failed, if any.

    What else goes on, on this machine or on the host of a virtual one, only ever adds to it.
    """

    def attempt() -> Figures:
        try:
            return load()
        except (OSError, EOFError, psutil.Error) as error:
            return Figures(0, 0, f"{type(error).__name__}: {error}")

    results = [attempt() for _ in range(rounds)]
    return min(results, key=lambda figures: (not figures.problem, figures.cpu_us or 0.0))


def _busy() -> float:
    """CPU time of all processes so far, in seconds.

    The machine's own total is sampled by its clock tick, with which a trickle can be in step.
    """
    processes = psutil.process_iter(["cpu_times"])
    return sum(sum(process.info["cpu_times"][:4]) for process in processes)


@contextmanager
def _serving(peer: Peer) -> Iterator[tuple[Server, Path]]:
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "bench.log")
        log.write_bytes(b"".join(line(number, LENGTH) for number in range(HISTORY)))
        with running(peer, log) as server:
            server.warm_up()
            time.sleep(SETTLE)
            yield server, log


@contextmanager
def _connected(server: Server, log: Path, clients: int) -> Iterator[Load]:
    """The process of the load generator. Raises OSError if not all clients can connect."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=work, args=(other, server.url, clients))
    process.start()
    other.close()
    try:
        if problem := pipe.recv():
            raise OSError(problem)
        time.sleep(SETTLE)
        yield Load(server, log, clients, pipe)
        pipe.send(None)
    finally:
        process.join(timeout=1)
        process.kill()
        process.join()


def _append_slowly(file: int, lines: int) -> None:
    """One line at a time, RATE a second."""
    start = time.monotonic()
    for number in range(lines):
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
        os.write(file, line(number, LENGTH))


def _append_at_once(file: int, lines: int) -> None:
    os.write(file, b"".join(line(number, LENGTH) for number in range(lines)))


# --- the tables -----------------------------------------------------------------

Column = tuple[str, str, float, str]
"""A column: its title, the field of Figures, what it is multiplied with, and its format."""

TRICKLE: tuple[Column, ...] = (
    ("server CPU, us/delivery", "cpu_us", 1, ".1f"),
    ("p50, ms", "p50_ms", 1, ".1f"),
    ("p99, ms", "p99_ms", 1, ".1f"),
    ("deliveries/s", "deliveries_s", 1, ",.0f"),
    ("KB per client", "client_kb", 1, ".1f"),
    ("generator, us/delivery", "generator_us", 1, ".1f"),
    ("generator, % of a core", "generator_share", 100, ".0f"),
    ("other load, % of the machine", "other_share", 100, ".0f"),
)
BURST: tuple[Column, ...] = (
    ("deliveries/s", "deliveries_s", 1, ",.0f"),
    ("server CPU, us/delivery", "cpu_us", 1, ".2f"),
    ("memory growth, MB", "growth_mb", 1, ".1f"),
    ("generator, us/delivery", "generator_us", 1, ".2f"),
    ("generator, % of a core", "generator_share", 100, ".0f"),
    ("other load, % of the machine", "other_share", 100, ".0f"),
)


def table(title: str, columns: tuple[Column, ...], results: dict[str, Figures]) -> str:
    """A markdown table; its last column is the first one in parts of Riacho's."""
    main = columns[0][1]
    own = results.get(RIACHO.name)
    rows = [
        f"**{title}**\n",
        "| | " + " | ".join(column[0] for column in columns) + " | first column, Riacho = 1 |",
        "|---|" + "---:|" * (len(columns) + 1),
    ]
    for name, figures in results.items():
        if figures.problem:
            problem = " ".join(figures.problem.split())
            rows.append(f"| {name} | FAILED: {problem} |" + " |" * len(columns))
            continue
        cells = [f"{getattr(figures, field) * factor:{form}}" for _, field, factor, form in columns]
        ratio = ""
        if own and not own.problem:
            ratio = f"{getattr(figures, main) / getattr(own, main):.2g}"
        rows.append(f"| {name} | " + " | ".join([*cells, ratio]) + " |")
    return "\n".join(rows) + "\n"


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "not installed"
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        **packages,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--seconds", type=float, help="how long the trickle lasts (10)")
    parser.add_argument(
        "--clients", type=int, help="clients of the trickle; the burst has half as many (200)"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="servers whose name begins so (repeatable)"
    )
    parser.add_argument(
        "--rounds", type=int, default=1, help="repeat each load; the cheapest round counts (1)"
    )
    parser.add_argument("--quick", action="store_true", help="a small load, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    clients = options.clients or (50 if options.quick else 200)
    seconds = options.seconds or (2.0 if options.quick else 10.0)
    lines = 2_000 if options.quick else 20_000
    wanted = tuple(name.lower() for name in options.only or [""])
    peers = [peer for peer in PEERS if peer.name.lower().startswith(wanted)]
    if not peers:
        parser.error("no server has that name; there are " + "; ".join(p.name for p in PEERS))

    half = max(1, clients // 2)
    trickles, bursts = {}, {}
    for peer in peers:
        print(f"{peer.name} ...", file=sys.stderr)
        trickles[peer.name] = best(options.rounds, partial(trickle, peer, clients, seconds))
        bursts[peer.name] = best(options.rounds, partial(burst, peer, half, lines))

    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    print(table(f"Trickle: {clients} clients, {RATE} lines/s", TRICKLE, trickles))
    title = f"Burst: {half} clients, {lines:,} lines of {LENGTH} bytes at once"
    print(table(title, BURST, bursts))
    if options.json:
        results = {
            name: {"trickle": asdict(trickles[name]), "burst": asdict(bursts[name])}
            for name in trickles
        }
        options.json.write_text(json.dumps({"machine": about, "results": results}, indent=2))
    if any(figures.problem for figures in [*trickles.values(), *bursts.values()]):
        sys.exit(1)


if __name__ == "__main__":
    main()
