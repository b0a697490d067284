"""The benchmarks: what is measured, of which servers, and with how much of it."""

import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

from benchmarks.clients import connect, line, replay
from benchmarks.loads import (
    LENGTH,
    SETTLE,
    Figures,
    at_once,
    connected,
    serving,
    slowly,
    steady,
    worker,
)
from benchmarks.many_logs import merged, quiet_logs, spool, tails
from benchmarks.scale import Results, Scale, attempt
from benchmarks.searching import search
from benchmarks.servers import (
    C_FLOOR,
    RIACHO,
    SSE_STARLETTE,
    TLS_FLOOR,
    WATCHED,
    Peer,
)
from benchmarks.stalled import measure as measure_stalled
from server.logs.encoding import TextEncoder
from server.logs.lines import LineSplitter
from server.logs.position import START


def _burst(peer: Peer, clients: int, lines: int) -> Figures:
    """`lines` lines at once, after a few of them to warm up."""
    with serving(peer) as (server, log), connected(server, log, clients) as load:
        warm_up = load.run(100, at_once)
        return warm_up if warm_up.problem else load.run(lines, at_once)


def _is_own(peer: Peer) -> bool:
    return peer in (RIACHO, C_FLOOR)


def trickle(scale: Scale) -> Results:
    """A steady trickle: 200 clients, 100 lines/s"""
    for peer in scale.peers():
        load = partial(steady, peer, 200, 100, scale.seconds(6))
        yield peer.name, scale.best(load)


def crowd(scale: Scale) -> Results:
    """A crowd: 1,000 clients, 10 lines/s"""
    for peer in scale.peers():
        load = partial(steady, peer, 1000, 10, scale.seconds(4))
        yield peer.name, scale.best(load)


def burst(scale: Scale) -> Results:
    """A burst: 100 clients, 200,000 lines at once (2,000 for the peers)"""
    for peer in scale.peers():
        lines = 2_000 if scale.quick or not _is_own(peer) else 200_000
        yield peer.name, scale.best(partial(_burst, peer, 100, lines))


def many(scale: Scale) -> Results:
    """Very many: 10,000 clients, 2 lines/s"""
    clients = 1_000 if scale.quick else 10_000
    for peer in scale.peers((RIACHO, C_FLOOR)):
        yield peer.name, scale.best(partial(steady, peer, clients, 2, scale.seconds(6)))


def fairness(scale: Scale) -> Results:
    """Fairness: 10,000 clients connect, then get 1,000 lines at once"""
    clients = 1_000 if scale.quick else 10_000

    def load(peer: Peer) -> Figures:
        with serving(peer) as (server, log), connected(server, log, clients) as load:
            connected_by = time.monotonic()
            figures = load.run(1_000, at_once)
            rounds = [
                [float(text) for text in one.split()]
                for one in log.with_suffix(".busy").read_text().splitlines()
            ]
        return replace(
            figures,
            p50_ms=None,
            p99_ms=None,
            blocked_ms=max((busy for when, busy in rounds if when > connected_by), default=0.0),
            blocked_connecting_ms=max(
                (busy for when, busy in rounds if when <= connected_by), default=0.0
            ),
        )

    for peer in scale.peers((WATCHED,)):
        yield peer.name, scale.best(partial(load, peer))


def history(scale: Scale) -> Results:
    """History: one client reads 1 GB of 100-byte lines from disk, while 50 get 20 lines/s"""
    block = b"".join(line(number, LENGTH) for number in range(10_000))
    blocks = 50 if scale.quick else 1_000

    def write(log: Path) -> None:
        with log.open("wb") as file:
            for _ in range(blocks):
                file.write(block)

    def load() -> Figures:
        with (
            serving(RIACHO, history=write) as (server, log),
            connected(server, log, 50) as load,
        ):
            load.run(20, slowly(20))
            cpu = server.cpu()
            url = server.url.partition("?")[0] + "?from=start"
            with worker(replay, url, blocks * 10_000) as pipe:
                pipe.recv()
                figures = load.run(round(scale.seconds(5) * 20), slowly(20))
                if pipe.poll() and not scale.quick:
                    return Figures("the history was read before the other clients had their lines")
                seconds = pipe.recv()
            if isinstance(seconds, str):
                return Figures(seconds)
            cpu = (server.cpu() - cpu) / seconds
            return replace(
                figures, cpu_us=None, log_mb_s=blocks * len(block) / seconds / 1e6, cpu_share=cpu
            )

    if scale.peers((RIACHO,)):
        yield RIACHO.name, scale.best(load)
    for peer in scale.peers((SSE_STARLETTE,)):  # which has no history: a burst instead
        figures = scale.best(partial(_burst, peer, 1, 20_000))
        rate = None if figures.problem else LENGTH * (figures.deliveries_s or 0) / 1e6
        yield f"{peer.name}: a burst", replace(figures, log_mb_s=rate)


def stalled(scale: Scale) -> Results:
    """Stalled: 50 clients read 500 MB as it is written, without and beside 50 that take nothing"""
    seconds = scale.seconds(60)
    for number in (0, 50) if scale.peers((RIACHO,)) else ():
        load = partial(measure_stalled, 50, number, 500 * seconds / 60, seconds)
        yield f"{RIACHO.name}, {number} stalled", scale.best(load)


def tls(scale: Scale) -> Results:
    """TLS: 200 clients, 100 lines/s, with it and without"""
    with tempfile.TemporaryDirectory() as directory:
        certificate = Path(directory, "certificate.pem")
        _certify(certificate)
        seconds = scale.seconds(5)
        for peer, options in (
            (RIACHO, ("--certfile", str(certificate))),
            (TLS_FLOOR, (str(certificate),)),
        ):
            if scale.peers((peer,)):
                load = partial(steady, peer, 200, 100, seconds, LENGTH)
                yield peer.name, scale.best(load)
                yield f"{peer.name}, TLS", scale.best(partial(load, *options))


def _certify(path: Path) -> None:
    """Write a key and a certificate that it has signed itself."""
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec"]
    options = ["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost"]
    files = ["-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([*command, *options, *files], check=True, capture_output=True)
    with path.open("ab") as file:
        file.write(Path(f"{path}.crt").read_bytes())


def start(scale: Scale) -> Results:
    """Start: from `python -m server` to the first event, and the time to import it"""
    code = "import time; t = time.perf_counter(); import server.cli; print(time.perf_counter() - t)"

    def load() -> Figures:
        imported = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory, "bench.log")
            log.write_bytes(line(0, LENGTH))
            command = [*RIACHO.command, str(log), *RIACHO.options]
            begin = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                while not (match := re.search(r"(http://\S+)/ ", process.stdout.readline())):
                    pass
                with connect(f"{match[1]}/stream-logs?backlog=10") as connection:
                    data = b""
                    while b"\ndata: " not in data:
                        data += connection.recv(4096)
                seconds = time.monotonic() - begin
                process.terminate()
                process.communicate()
        return Figures(seconds=seconds, import_seconds=float(imported.stdout))

    if scale.peers((RIACHO,)):
        results = [attempt(load) for _ in range(2 if scale.quick else 7)]
        quickest = min(results, key=lambda one: (not one.problem, one.seconds or 0.0))
        imported = min(one.import_seconds or 0.0 for one in results)
        yield RIACHO.name, replace(quickest, import_seconds=imported)


def idle(scale: Scale) -> Results:
    """Idle: no lines for 20 s"""

    def load(clients: int) -> Figures:
        with serving(RIACHO) as (server, log), connected(server, log, clients):
            time.sleep(SETTLE)
            cpu, begin = server.cpu(), time.monotonic()
            time.sleep(scale.seconds(20))
            share = (server.cpu() - cpu) / (time.monotonic() - begin)
            return Figures(clients=clients, cpu_share=share, memory_mb=server.memory() / 2**20)

    if scale.peers((RIACHO,)):
        yield f"{RIACHO.name}, 1 client", scale.best(partial(load, 1))
        yield f"{RIACHO.name}, 1,000 clients", scale.best(partial(load, 1_000))
        nobody = partial(quiet_logs, scale, 1_000, ())
        yield f"{RIACHO.name}, 1,000 logs and nobody", scale.best(nobody)
        patterns = ("0[0-4]*", "0[5-9]*", "1[0-4]*", "1[5-9]*") * 2 + ("00*", "01*")
        merged = partial(quiet_logs, scale, 200, patterns)
        yield f"{RIACHO.name}, 200 logs, 10 clients of merged streams", scale.best(merged)


def lines(scale: Scale) -> Results:
    """Line work: from the log's bytes to frames, on one core"""
    text = line(0, LENGTH)
    accented = "ação ".encode() + text[7:]

    def encoded(block: bytes) -> Callable[[], None]:
        splitter, encode = LineSplitter(START, b"", 2**20), TextEncoder(2**20)

        def feed() -> None:
            for batch in splitter.feed(block):
                encode(batch)

        return feed

    def measured(block: bytes, work: Callable[[], None]) -> Figures:
        times = []
        for _ in range(20 if scale.quick else 200):
            begin = time.process_time()
            work()
            times.append(time.process_time() - begin)
        number = block.count(b"\n")
        return Figures(
            line_us=min(times) / number * 1e6,
            lines_s=number / min(times),
            log_mb_s=len(block) / min(times) / 1e6,
        )

    if scale.peers((RIACHO,)):
        block, other, windows = text * 1_300, accented * 1_300, (text[:-2] + b"\r\n") * 1_300
        yield "ASCII", measured(block, encoded(block))
        yield "UTF-8", measured(other, encoded(other))
        yield "CR before each newline", measured(windows, encoded(windows))
        yield "the least that plain Python can do", measured(block, partial(_least, block))


def _least(block: bytes) -> None:
    """One checksum and one formatting operation a line, and nothing else."""
    offset = tail = 0
    frames = []
    for text in io.BytesIO(block):
        offset += len(text)
        tail = crc32(text, tail)
        frames.append(b"id: %x-00000000-%x\ndata: %b\n" % (offset, tail, text))
    b"".join(frames)


def clients(scale: Scale) -> Results:
    """CPU per delivery from 10 to 10,000 clients, at 100 lines/s at the most, 2 at the least"""
    for number in (10, 100) if scale.quick else (10, 100, 1_000, 10_000):
        for peer in scale.peers():
            if number > 1_000 and not _is_own(peer):
                continue
            rate = min(100, max(2, 10_000 // number))
            load = partial(steady, peer, number, rate, scale.seconds(3))
            yield f"{peer.name}: {number:,}", scale.best(load)


def bursts(scale: Scale) -> Results:
    """Deliveries a second from 10 to 100,000 lines at once, to 100 clients"""
    for number in (10, 100, 1_000) if scale.quick else (10, 100, 1_000, 10_000, 100_000):
        for peer in scale.peers():
            if number > 1_000 and not _is_own(peer):
                continue
            yield f"{peer.name}: {number:,}", scale.best(partial(_burst, peer, 100, number))


def costs(scale: Scale) -> Results:
    """How cost grows: 100 lines/s to ever more clients, of ever longer lines"""
    seconds = scale.seconds(3)
    if scale.peers((RIACHO,)):
        for number in (1, 50, 100, 200, 300):
            load = partial(steady, RIACHO, number, 100, seconds)
            yield f"{number} client{'s' * (number > 1)}", scale.best(load)
        for length in (1_000, 4_000, 16_000):
            load = partial(steady, RIACHO, 100, 100, seconds, length)
            yield f"100 clients, {length:,} bytes a line", scale.best(load)


BENCHMARKS: dict[str, Callable[[Scale], Results]] = {
    benchmark.__name__: benchmark
    for benchmark in (
        trickle,
        crowd,
        burst,
        many,
        fairness,
        merged,
        tails,
        spool,
        history,
        search,
        stalled,
        tls,
        start,
        idle,
        lines,
        clients,
        bursts,
        costs,
    )
}
