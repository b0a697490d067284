"""Benchmarks of searches in a long log, beside ripgrep and grep on the same file."""

import os
import shutil
import subprocess
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from benchmarks.loads import Figures, serving
from benchmarks.scale import Results, Scale, attempt
from benchmarks.servers import RIACHO, Server

BEGIN = datetime(2026, 11, 1)
"""The time of the first line; each is a tenth of a millisecond after the one before."""

WORD, WORDS = "needle", "needle|haystack|stitch"

A_WORD, ANY_CASE = f"{RIACHO.name}: a word", f"{RIACHO.name}: one of three words, any case"
A_LEVEL, SINCE = f"{RIACHO.name}: a level", f"{RIACHO.name}: since a time"
LAST = f"{RIACHO.name}: the last 50 lines with a word"
RIPGREP, GREP = "ripgrep, one thread: a word", "GNU grep: a word"
"""Names of rows for which there are goals."""

_AT_A_TIME = 10_000

_LINE = f"data: {BEGIN:%Y-%m-}".encode()
"""How the data of an event begins that is a line of the log."""


def _write(log: Path, size: int) -> None:
    """About so many bytes of lines; only the last one has the word, and is critical."""
    with log.open("w") as file:
        number = 0
        while file.tell() < size:
            file.writelines(_line(number + one) for one in range(_AT_A_TIME))
            number += _AT_A_TIME
        file.write(_line(number, "CRITICAL", WORD))


def _line(number: int, level: str = "INFO", word: str = "request") -> str:
    time = (BEGIN + timedelta(microseconds=number * 100)).isoformat(timespec="microseconds")
    return f"{time} {level} {word} {number:012} was answered after 12 ms from the cache of app\n"


def _first_line(server: Server, size: int, query: str) -> Figures:
    """From the request to the first line of the log that comes, and what that took of a core.

    Events that say how far the search has come are none.
    """
    url = f"{server.url.partition('?')[0]}?{quote(query, safe='=&')}"
    cpu, begin = server.cpu(), time.monotonic()
    with urlopen(url) as response:
        while not (text := response.readline()).startswith(_LINE):
            if not text:
                return Figures("the stream ended before the line came")
        seconds = time.monotonic() - begin
    return _figures(size, seconds, server.cpu() - cpu)


def _command(log: Path, *words: str) -> Figures:
    """The same of a program that reads the file."""
    begin = time.monotonic()
    before = os.times()
    subprocess.run([*words, str(log)], stdout=subprocess.DEVNULL, check=True, env={"LC_ALL": "C"})
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return _figures(log.stat().st_size, time.monotonic() - begin, cpu)


def _figures(size: int, seconds: float, cpu: float) -> Figures:
    return Figures(seconds=seconds, log_mb_s=size / seconds / 1e6, cpu_share=cpu / seconds)


def search(scale: Scale) -> Results:
    """Search: one line at the end of 5 GB, in the disk's cache"""
    size = 100_000_000 if scale.quick else 5_000_000_000
    if not scale.peers((RIACHO,)):
        return
    last = (BEGIN + timedelta(microseconds=size // len(_line(0)) * 100 - 1_000_000)).isoformat()
    with serving(RIACHO, history=partial(_write, size=size)) as (server, log):
        for who, query in (
            (A_WORD, f"grep={WORD}&from=start"),
            (ANY_CASE, f"grep={WORDS}&ignore_case=1&from=start"),
            (A_LEVEL, "level=critical&from=start"),
            (SINCE, f"since={last}"),
            (LAST, "grep=request&backlog=50"),
        ):
            yield who, attempt(partial(_first_line, server, size, query))
        rg = shutil.which("rg") or "rg"
        grep = shutil.which("grep") or "grep"
        yield RIPGREP, attempt(partial(_command, log, rg, "--threads=1", "--no-mmap", WORD))
        yield GREP, attempt(partial(_command, log, grep, WORD))
