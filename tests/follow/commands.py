"""`python -m server.follow` as a process of its own, and streams that end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.relay import Forward, Pieces, relaying
from tests.running import PATIENCE, wait_until

OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 20\n\n"
CLOSE = b"event: close\ndata: {}\n\n"


def command(url: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "server.follow", url, *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    """That of a user who has set nothing but `changes`."""
    unset = ("RIACHO_TOKEN", "NO_COLOR")
    return {**{key: one for key, one in os.environ.items() if key not in unset}, **changes}


class Outcome(NamedTuple):
    code: int
    output: bytes
    errors: str

    @property
    def lines(self) -> list[str]:
        return self.output.decode().splitlines()


def follow(url: str, *arguments: object, **changes: str) -> Outcome:
    """Run it to its end."""
    done = subprocess.run(
        command(url, *arguments),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env=environment(**changes),
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


class Run:
    """One that goes on, and what it has written so far."""

    def __init__(self, where: Path, arguments: list[str]) -> None:
        self._output, self._errors = where / "follow.out", where / "follow.err"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                arguments, stdout=output, stderr=errors, env=environment()
            )

    @property
    def lines(self) -> list[str]:
        return self._output.read_text().splitlines()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def wait_for(self, lines: list[str]) -> None:
        wait_until(lambda: len(self.lines) >= len(lines), f"{len(lines)} lines")
        assert self.lines == lines


@contextmanager
def running_on(where: Path, url: str, *arguments: object) -> Iterator[Run]:
    run = Run(where, command(url, *arguments))
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait(PATIENCE)
    assert "Traceback" not in run.errors


@contextmanager
def streaming(*events: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server whose streams have these events and end, and what it was asked."""
    requests: list[bytes] = []

    def treat(request: bytes, forward: Forward) -> Pieces:
        requests.append(request)
        yield OPEN + b"".join(events) + CLOSE

    with relaying(treat) as url:
        yield url, requests


def line(text: bytes) -> bytes:
    return b"id: 1\ndata: %b\n\n" % text
