"""Benchmarks of servers that have many logs, and of logs that have no file."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import IO

from benchmarks.clients import connect, drain, line
from benchmarks.loads import LENGTH, SETTLE, Figures, connected, serving, slowly, steady, worker
from benchmarks.scale import Results, Scale
from benchmarks.servers import JSON, MERGED, ONE_OF_MANY, RIACHO, cpu_time, running
from server.logs.tailing import MOST_TAILS

TAILS, NO_TAILS = f"{RIACHO.name}, a tail for each log", f"{RIACHO.name}, no tail for them"
SPOOL, CAT = f"{RIACHO.name}, nobody reads", "cat into a file"
"""Names of rows for which there are goals."""

READ = 20
"""Logs that the clients of `tails` read."""

READ_LOGS = "&".join(f"log={MOST_TAILS + number:03}*" for number in range(READ))

OTHERS = "&".join(f"log={number:03}*" for number in range(MOST_TAILS))
"""As many logs as tails can run."""


def merged(scale: Scale) -> Results:
    """Merged: 50 clients, 5,000 lines/s, of one log and of 20 logs in one stream"""
    for peer, logs in ((RIACHO, 1), (JSON, 1), (MERGED, 20)):
        if scale.peers((peer,)):
            load = partial(steady, peer, 50, 5_000, scale.seconds(6), logs=logs)
            yield peer.name, scale.best(load)


def quiet_logs(scale: Scale, logs: int, patterns: Sequence[str]) -> Figures:
    """Nothing comes to any of the logs, of which one client for each pattern reads some."""
    with serving(RIACHO, logs=logs) as (server, _), ExitStack() as clients:
        url = server.url.partition("?")[0]
        for pattern in patterns:
            clients.enter_context(connect(f"{url}?backlog=0&log={pattern}"))
        time.sleep(SETTLE * 6)
        cpu, begin = server.cpu(), time.monotonic()
        time.sleep(scale.seconds(20))
        share = (server.cpu() - cpu) / (time.monotonic() - begin)
        memory = server.memory() / 2**20
        return Figures(clients=len(patterns), cpu_share=share, memory_mb=memory)


def tails(scale: Scale) -> Results:
    """Tails: 10 clients, 200 lines/s of 20 logs in one stream, with a tail for each and without"""

    def load(has_tails: bool) -> Figures:
        with serving(ONE_OF_MANY, logs=MOST_TAILS + READ) as (server, logs), ExitStack() as stack:
            url = server.url.partition("?")[0] + "?backlog=0"
            if not has_tails:
                stack.enter_context(connect(f"{url}&{OTHERS}"))
                time.sleep(SETTLE * 6)
            files = [logs / f"{MOST_TAILS + number:03}.log" for number in range(READ)]
            with connected(server, logs, 10, f"{url}&{READ_LOGS}", files) as load:
                time.sleep(SETTLE * 6)
                running = server.children
                expected = READ + 1 if has_tails else MOST_TAILS
                if running != expected:
                    return Figures(f"{running} tails run, not {expected}")
                warm_up = load.run(200, slowly(200))
                lines = round(scale.seconds(6) * 200)
                return warm_up if warm_up.problem else load.run(lines, slowly(200))

    if scale.peers((RIACHO,)):
        yield TAILS, scale.best(partial(load, True))
        yield NO_TAILS, scale.best(partial(load, False))


def spool(scale: Scale) -> Results:
    """Spool: 2 GB of 100-byte lines into standard input, beside `cat` into a file"""
    block = b"".join(line(number, LENGTH) for number in range(1_300))
    blocks = (50 if scale.quick else 2_000) * 1_000_000 // len(block)

    def fed(pipe: IO[bytes], cpu: Callable[[], float]) -> Figures:
        """Write all blocks, and say how fast the pipe takes them. It holds 64 KB at the most."""
        before, start = cpu(), time.monotonic()
        for _ in range(blocks):
            pipe.write(block)
        pipe.flush()
        seconds = time.monotonic() - start
        lines = blocks * 1_300
        rate = blocks * len(block) / seconds / 1e6
        return Figures(lines=lines, line_us=(cpu() - before) / lines * 1e6, log_mb_s=rate)

    def load(clients: int) -> Figures:
        with (
            tempfile.TemporaryDirectory() as directory,
            running(RIACHO, Path("-"), "--state-dir", directory, stdin=PIPE) as server,
            ExitStack() as stack,
        ):
            for _ in range(clients):
                stack.enter_context(worker(drain, server.url)).recv()
            time.sleep(SETTLE)
            assert server.stdin
            return fed(server.stdin, server.cpu)

    def copy() -> Figures:
        with (
            tempfile.TemporaryFile() as file,
            subprocess.Popen(["cat"], stdin=PIPE, stdout=file) as process,
        ):
            assert process.stdin
            return fed(process.stdin, lambda: cpu_time(process.pid))

    if scale.peers((RIACHO,)):
        yield SPOOL, scale.best(partial(load, 0))
        yield f"{RIACHO.name}, one client", scale.best(partial(load, 1))
        yield CAT, scale.best(copy)
