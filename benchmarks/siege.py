"""What clients notice while others mean harm: `python -m benchmarks.siege`.

A hundred clients get a hundred lines a second, with nothing else going on and then beside
an attack, round by round. What counts is the ratio of their delays.
"""

import argparse
import gzip
import multiprocessing
import random
import resource
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit
from zlib import crc32

import psutil

from benchmarks.clients import Crowd, line
from benchmarks.servers import RIACHO, Server, running

CLIENTS = 100
RATE = 100
"""Lines a second."""

LENGTH = 120
"""Bytes of a line."""

SLOW = 1000
"""Connections of a slowloris."""

PACKED = 5
"""Rotated and compressed files of the log, of PACKED_LINES lines each."""

PACKED_LINES = 200_000


Attack = Callable[[str, Path, Connection], None]
"""Attacks a server by its URL, and by what may be known of its log, until the pipe says stop."""


class Attacker:
    """A process that attacks a server until it is stopped, and says what it did."""

    def __init__(self, attack: Attack, url: str, log: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=attack, args=(url, log, other))
        self._process.start()
        self._pipe.recv()  # it has begun

    def stop(self) -> str:
        self._pipe.send(None)
        told: str = self._pipe.recv()
        self._process.join()
        return told


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=10)


def slowloris(url: str, log: Path, pipe: Connection) -> None:
    """SLOW connections that send a byte of their headers each second, and come back if closed."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held = [connect(url) for _ in range(SLOW)]
    for one in held:
        one.sendall(b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\nX-a: ")
    pipe.send(None)
    closed = 0
    while not pipe.poll(1):
        for index, one in enumerate(held):
            try:
                one.sendall(b"a")
            except OSError:
                closed += 1
                held[index] = connect(url)
    pipe.recv()
    pipe.send(f"{SLOW} slow connections, {closed} were closed and came back")


def forgery(url: str, log: Path, pipe: Connection) -> None:
    """Ids that were never given out, from 50 clients, each with a head that files of the log have.

    Who has followed a log knows the heads of its files, and so makes every search a long one.
    """
    heads = []
    for path in log.parent.glob(f"{log.name}.*.gz"):
        with gzip.open(path) as file:
            heads.append(f"{crc32(file.read(1024)):x}")
    done = [0] * 50
    stopped = threading.Event()

    def forge(number: int) -> None:
        numbers = random.Random(number)
        while not stopped.is_set():
            offset = numbers.randrange(70_000, PACKED_LINES * LENGTH)
            head = numbers.choice(heads)
            id = f"{offset:x}-{head}-{numbers.randrange(1 << 32):x}"
            with connect(url) as one:
                one.sendall(
                    b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n"
                    b"Last-Event-ID: %b\r\n\r\n" % id.encode()
                )
                data = b""
                while b"event: gap" not in data and (more := one.recv(65536)):
                    data += more
            done[number] += 1

    threads = [threading.Thread(target=forge, args=(number,)) for number in range(len(done))]
    for thread in threads:
        thread.start()
    pipe.send(None)
    start = time.monotonic()
    pipe.recv()
    seconds = time.monotonic() - start
    stopped.set()
    for thread in threads:
        thread.join()
    pipe.send(f"{sum(done)} forged ids, {sum(done) / seconds:.0f} a second")


def comings(url: str, log: Path, pipe: Connection) -> None:
    """Clients that connect, read the first bytes and leave, as fast as one process can."""
    pipe.send(None)
    done, start = 0, time.monotonic()
    while not pipe.poll():
        with connect(url) as one:
            one.sendall(b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            one.recv(4096)
        done += 1
    pipe.recv()
    pipe.send(f"{done} comings and goings, {done / (time.monotonic() - start):.0f} a second")


ATTACKS: dict[str, Attack] = {
    "slowloris": slowloris,
    "forged ids": forgery,
    "comings and goings": comings,
}


@contextmanager
def serving() -> Iterator[tuple[Server, Path]]:
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "siege.log")
        for number in range(1, PACKED + 1):
            with gzip.open(f"{log}.{number}.gz", "wb", compresslevel=1) as file:
                file.writelines(line(n, LENGTH) for n in range(PACKED_LINES))
        log.write_bytes(b"".join(line(number, LENGTH) for number in range(1000)))
        with running(RIACHO, log) as server:
            server.warm_up()
            yield server, log


def load(server: Server, log: Path, seconds: float) -> tuple[float, float, float]:
    """RATE lines a second for `seconds`: p50 and p99 in ms, and the server's share of a core."""
    lines = round(seconds * RATE)
    crowd = Crowd(server.url, CLIENTS)

    def write() -> None:
        start = time.monotonic()
        with log.open("ab", buffering=0) as file:
            for number in range(lines):
                time.sleep(max(0.0, start + number / RATE - time.monotonic()))
                file.write(line(number, LENGTH))

    writer = threading.Thread(target=write)
    cpu, start = server.cpu(), time.monotonic()
    writer.start()
    received = crowd.receive(lines, seconds + 60)
    writer.join()
    if received.problem:
        raise SystemExit(f"not all lines came to all clients: {received.problem}")
    percentiles = quantiles(received.latencies, n=100)
    return percentiles[49], percentiles[98], (server.cpu() - cpu) / (time.monotonic() - start)


def besiege(name: str, rounds: int, seconds: float) -> None:
    quiet, besieged = [], []
    told = ""
    with serving() as (server, log):
        load(server, log, 1)
        before = server.memory()
        for _ in range(rounds):
            quiet.append(load(server, log, seconds))
            attacker = Attacker(ATTACKS[name], server.url, log)
            besieged.append(load(server, log, seconds))
            told = attacker.stop()
        grown = (server.memory() - before) / 2**20
    print(f"{name}: {told}; memory +{grown:.0f} MB")
    for what, figures in (("quiet", quiet), ("besieged", besieged)):
        p50, p99, share = (median(column) for column in zip(*figures, strict=True))
        least = min(one[1] for one in figures)
        print(
            f"  {what:9} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms (least {least:.2f})   "
            f"{share:4.0%} of a core"
        )
    for how, of in (("median", median), ("least", min)):
        ratio = of([one[1] for one in besieged]) / of([one[1] for one in quiet])
        print(f"  p99 besieged / quiet, {how} of {rounds} rounds: {ratio:.2f}")


def want_of_descriptors(seconds: float = 8) -> None:
    """256 descriptors and 1,000 connections, which come back a second after they are closed."""
    with tempfile.TemporaryDirectory() as directory:
        log, errors = Path(directory, "siege.log"), Path(directory, "errors")
        log.write_text("one\n")
        command = [sys.executable, "-m", "server", "--port", "0", str(log)]
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                ["prlimit", "--nofile=256:256", *command],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            ) as process,
        ):
            assert process.stdout
            url = next(text.split()[0] for text in process.stdout if text.startswith("  http"))
            server = psutil.Process(process.pid)
            cpu, start = sum(server.cpu_times()[:2]), time.monotonic()
            came = hold(url, 1000, seconds)
            share = (sum(server.cpu_times()[:2]) - cpu) / (time.monotonic() - start)
            lines = len(errors.read_text().splitlines())
            over = time.monotonic()
            with connect(url) as one:
                one.sendall(b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = one.recv(4096).partition(b"\r\n")[0].decode()
            normal = time.monotonic() - over
            process.terminate()
    print(
        f"256 descriptors: {came} connections in {seconds:g} s, {share:.0%} of a core, "
        f"{lines} lines logged, then {answer!r} after {normal:.3f} s"
    )


def hold(url: str, connections: int, seconds: float) -> int:
    """Keep so many connections open, and count how many it took."""
    poll = select.poll()
    held: dict[int, socket.socket] = {}
    due = [0.0] * connections
    came, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        while due and due[0] <= time.monotonic():
            due.pop(0)
            one = connect(url)
            came += 1
            held[one.fileno()] = one
            poll.register(one, select.POLLIN)
        for number, _ in poll.poll(50):
            poll.unregister(number)
            held.pop(number).close()
            due.append(time.monotonic() + 1)
    for one in held.values():
        one.close()
    return came


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", default=[*ATTACKS, "descriptors"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    for name in arguments.attacks:
        if name == "descriptors":
            want_of_descriptors()
        else:
            besiege(name, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
