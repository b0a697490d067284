"""The writer: numbered lines, as programs write them, and what is known of each."""

import os
import random
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

clock = time.monotonic

PADDINGS = [
    b"",
    b" ",
    b"\t:\tdata: event: id: 0-0-0",
    b"a\rline\r\rin parts\r",
    b"not \xff\xfe UTF-8 \xc3( \xe6\xbc",
    "a\u00e7\u00e3o \u6f22\u5b57 \U0001f30a \u2028 \u0085".encode(),
    *(
        b"x" * length
        for length in (7, 30, 60, 80, 100, 100, 120, 150, 255, 256, 1023, 4096, 20_000)
    ),
]
PADDING_WEIGHTS = [*[3.0] * 6, *[10.0] * 10, 2.0, 0.5, 0.1]
PAUSES = [0.002, 0.01, 0.02, 0.05] * 15 + [0.3, 1.0]
LINE_ENDS = [b"\n"] * 15 + [b"\r\n"]


def number_of(line: bytes) -> int | None:
    """The number of a whole line, None for a piece of one or for two run into each other."""
    line = line.lstrip(b"\0")  # a hole before it, which the server leaves out
    number = line.partition(b"|")[0]
    return int(number) if number.isdigit() and line.endswith(b"|" + number) else None


def as_sent(line: bytes) -> bytes:
    """What the fields `data` of a line's event hold."""
    text = line.removesuffix(b"\r").decode("utf-8", "replace").encode()
    return text.replace(b"\r", b"\ndata: ")


class Writer(threading.Thread):
    """Appends numbered lines to `log`, through one handle until it is told to reopen it."""

    def __init__(self, log: Path, seed: int, has_times: bool) -> None:
        super().__init__(daemon=True)
        self.has_times = has_times
        self.lock = threading.RLock()
        """Held for each write; whoever else holds it knows what is on disk."""
        self.last = 0
        """The number of the last whole line."""
        self.times = array("d", [clock()])
        """When each line was written."""
        self.pieces: set[bytes] = set()
        """What may be left of a line when the log is truncated while that is written."""
        self.requests = log.parent / "reopen"
        """While this file is there, somebody waits until the log is reopened."""
        self._log = log
        self._random = random.Random(seed)
        self._reopen_at = float("inf")
        self._in_line = False
        self._stopped = threading.Event()
        self._descriptor = self._open()

    def _open(self) -> int:
        return os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)

    def reopen(self) -> None:
        """Go on in the file that has the log's name now."""
        with self.lock:
            os.close(self._descriptor)
            self._descriptor = self._open()
            self._reopen_at = float("inf")
            self.requests.unlink(missing_ok=True)

    def reopen_in(self, seconds: float) -> None:
        self._reopen_at = min(self._reopen_at, clock() + seconds)

    @contextmanager
    def between_lines(self) -> Iterator[None]:
        """Hold the lock while no line is half written."""
        while True:
            with self.lock:
                if not self._in_line:
                    yield
                    return
            self._stopped.wait(0.001)

    def run(self) -> None:
        while not self._stopped.is_set():
            if clock() >= self._reopen_at or self.requests.exists():
                self.reopen()
            kind = self._random.random()
            if kind < 0.0007:
                for _ in range(self._random.randrange(20, 60)):
                    self.write(500)
            elif kind < 0.03:
                self._write_in_pieces()
            else:
                self.write(self._random.randrange(1, 15))
            self._stopped.wait(self._random.choice(PAUSES))

    def write(self, count: int, descriptor: int | None = None) -> None:
        """Write whole lines, in one go, to the log or to another file."""
        with self.lock:
            lines = b"".join(self._line(self.last + i) for i in range(1, count + 1))
            since = clock()
            _write(descriptor or self._descriptor, lines)
            self._written(count, since)

    def _write_in_pieces(self) -> None:
        with self.lock:
            self._in_line = True
            line = self._line(self.last + 1)
        cuts = sorted(self._random.randrange(len(line) + 1) for _ in range(2))
        self.pieces |= {as_sent(line[cut:].removesuffix(b"\n")) for cut in cuts}
        for piece in (line[: cuts[0]], line[cuts[0] : cuts[1]], line[cuts[1] :]):
            with self.lock:
                since = clock()
                _write(self._descriptor, piece)
                if piece is line or piece.endswith(b"\n"):
                    self._written(1, since)
                    self._in_line = False
                    return
            # longer than a second: it is shown though it is not finished
            least = 1.2 if self._random.random() < 0.02 else 0.0
            self._stopped.wait(self._random.uniform(least, least + 0.05))

    def _line(self, number: int) -> bytes:
        [padding] = self._random.choices(PADDINGS, PADDING_WEIGHTS)
        if self.has_times:
            padding = datetime.now(UTC).isoformat().encode() + b" " + padding
        return b"%d|%b|%d%b" % (number, padding, number, self._random.choice(LINE_ENDS))

    def _written(self, count: int, since: float) -> None:
        """Note that so many lines were written, none of them before `since`.

        So a client that came before that must get all of them.
        """
        self.times.extend([since] * count)
        self.last += count

    def stop(self) -> None:
        """Finish: the last line is in the file that has the log's name."""
        self._stopped.set()
        self.join()
        self.reopen()
        self.write(1)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
