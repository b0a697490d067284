"""A loss audit: a log that suffers all that logs suffer, and clients that must get every line.

    python -m tests.audit --minutes 20 --seed 1

A writer numbers its lines. Chaos, drawn from the seed, rotates, copies, truncates,
deletes, compresses and edits the log, kills and stops the server and its tail, and has
clients stall, drop, stay away and come anew. What is on disk is read from the disk
before and after each action, so that it is known when which lines were destroyed. In
the end each client must have got every line once and in order, but for those that were
destroyed, and of these it must have been told. The exit code is 1 if one has not.
"""

import argparse
import datetime
import gzip
import os
import random
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.running import Server, wait_until

KEEP = 15
"""Rotated files that are kept."""

GRACE = 1.0
"""Seconds in which the server may miss that lines came and were destroyed."""

BEHIND = 5.0
"""The same when it had not yet come so far, since all clients were busy with older lines."""

SETTLING = 60.0
"""Seconds without any progress after which clients have not got what they will ever get."""

SETTLED = 240.0
"""Seconds after which they have not, whatever they get."""

LOGROTATE = "/usr/sbin/logrotate"

clock = time.monotonic

# --- lines ----------------------------------------------------------------------------

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
    number = line.partition(b"|")[0]
    return int(number) if number.isdigit() and line.endswith(b"|" + number) else None


def as_sent(line: bytes) -> bytes:
    """What the fields `data` of a line's event hold."""
    text = line.removesuffix(b"\r").decode("utf-8", "replace").encode()
    return text.replace(b"\r", b"\ndata: ")


class Span(NamedTuple):
    """Lines `first` to `last`."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def subtract(spans: list[Span], others: list[Span]) -> list[Span]:
    """What is in `spans` and in none of `others`."""
    for other in others:
        left = []
        for span in spans:
            if span.last < other.first or other.last < span.first:
                left.append(span)
                continue
            if span.first < other.first:
                left.append(Span(span.first, other.first - 1))
            if other.last < span.last:
                left.append(Span(other.last + 1, span.last))
        spans = left
    return spans


# --- the writer -----------------------------------------------------------------------


class Writer(threading.Thread):
    """Appends numbered lines to `log`, through one handle until it is told to reopen it."""

    def __init__(self, log: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.lock = threading.RLock()
        """Held for each write; whoever else holds it knows what is on disk."""
        self.last = 0
        """The number of the last whole line."""
        self.times = array("d", [clock()])
        """When each line was written."""
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
            _write(descriptor or self._descriptor, lines)
            self._written(count)

    def _write_in_pieces(self) -> None:
        with self.lock:
            self._in_line = True
            line = self._line(self.last + 1)
        cuts = sorted(self._random.randrange(len(line) + 1) for _ in range(2))
        for piece in (line[: cuts[0]], line[cuts[0] : cuts[1]], line[cuts[1] :]):
            with self.lock:
                _write(self._descriptor, piece)
                if piece is line or piece.endswith(b"\n"):
                    self._written(1)
                    self._in_line = False
                    return
            self._stopped.wait(self._random.uniform(0, 0.05))

    def _line(self, number: int) -> bytes:
        [padding] = self._random.choices(PADDINGS, PADDING_WEIGHTS)
        return b"%d|%b|%d%b" % (number, padding, number, self._random.choice(LINE_ENDS))

    def _written(self, count: int) -> None:
        self.times.extend([clock()] * count)
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


# --- what is on disk ------------------------------------------------------------------


class Destroyed(NamedTuple):
    """Lines that are on disk no more, since when at the latest, and by which action."""

    span: Span
    since: float
    action: str
    seen: bool  # on disk before: not only between two steps of one action


class Disk:
    """Which lines are on disk, and when the others were destroyed."""

    def __init__(self, log: Path, writer: Writer) -> None:
        self.log = log
        self.present: list[Span] = []
        self.destroyed: list[Destroyed] = []
        self.pieces: set[bytes] = set()
        """What files begin or end with that is only a piece of a line."""
        self._writer = writer
        self._looked_at = 0
        self._unpacked: dict[tuple[int, int, int], Span | None] = {}

    def files(self) -> list[Path]:
        """The log and what it was rotated to."""
        return [
            self.log.parent / name
            for name in os.listdir(self.log.parent)
            if name.startswith(self.log.name)
        ]

    def look(self, since: float, action: str) -> None:
        """Take note of what is on disk after an action that began at `since`."""
        with self._writer.lock:
            present = [span for path in self.files() if (span := self._span(path))]
            new = [Span(self._looked_at + 1, self._writer.last)]
            for spans, seen in ((self.present, True), (new, False)):
                for span in subtract(spans, present):
                    if span.length > 0:
                        self.destroyed.append(Destroyed(span, since, action, seen))

            self._looked_at = self._writer.last
            self.present = present

    def _span(self, path: Path) -> Span | None:
        status = path.stat()
        if path.suffix != ".gz":
            with path.open("rb") as file:
                return self._span_of(
                    path, lambda o, n: os.pread(file.fileno(), n, o), status.st_size
                )
        key = (status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self._unpacked:
            data = gzip.decompress(path.read_bytes())
            self._unpacked[key] = self._span_of(path, lambda o, n: data[o : o + n], len(data))
        return self._unpacked[key]

    def _span_of(self, path: Path, read: Callable[[int, int], bytes], size: int) -> Span | None:
        """The lines of a file, which follow each other: the first and the last tell them all."""
        length = 1 << 17
        begin = read(0, length).split(b"\n")[:-1]
        *end, rest = read(max(0, size - length), length).split(b"\n")
        if begin and number_of(begin[0].removesuffix(b"\r")) is None:
            self.pieces.add(as_sent(begin[0]))
        if rest and path != self.log:
            self.pieces.add(as_sent(rest))
        firsts = (n for line in begin if (n := number_of(line.removesuffix(b"\r"))))
        lasts = (n for line in reversed(end) if (n := number_of(line.removesuffix(b"\r"))))
        first, last = next(firsts, None), next(lasts, None)
        return Span(first, last) if first and last else None


# --- clients --------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """Lines that a client got one after the other."""

    first: int
    last: int
    began: float
    ended: float
    first_id: bytes
    last_id: bytes


@dataclass(slots=True)
class Fact:
    """Anything else that befell a client."""

    name: str
    text: str
    at: float


class Client:
    """What one client asks for, got and does next."""

    def __init__(self, name: str, query: str, window: int) -> None:
        self.name = name
        self.query = query
        self.history: list[Run | Fact] = []
        self.last = 0
        self.delivered = 0
        self.socket: socket.socket | None = None
        self.is_reading = False
        self.stalled_until = self.absent_until = 0.0
        self.has_left = False
        self._window = window
        self._id = b""
        self._run: Run | None = None
        self._buffer = b""
        self._in_body = False

    def note(self, name: str, text: str = "") -> None:
        self.history.append(Fact(name, text, clock()))
        self._run = None

    def connect(self, port: int) -> None:
        """Ask for the stream, after the last event. Raises OSError."""
        self._buffer, self._in_body = b"", False
        connection = socket.socket()
        try:
            if self._window:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
            connection.settimeout(1)
            connection.connect(("127.0.0.1", port))
            # HTTP/1.0: the body comes unchunked
            request = b"GET /stream-logs?%b HTTP/1.0\r\n" % self.query.encode()
            if self._id:
                request += b"Last-Event-ID: %b\r\n" % self._id
            connection.sendall(request + b"\r\n")
            connection.setblocking(False)
        except OSError:
            connection.close()
            raise
        self.socket = connection
        self.note("connect", self._id.decode() or self.query)

    def feed(self, data: bytes) -> None:
        data = self._buffer + data
        if not self._in_body:
            head, found, body = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = data
                return
            self._in_body = True
            if b" 200 " not in head.split(b"\r\n")[0]:
                self.note("refused", head.decode("latin-1"))
            data = body
        whole = data.rfind(b"\n\n")
        if whole < 0:
            self._buffer = data
            return
        self._buffer = data[whole + 2 :]
        now = clock()
        for frame in data[:whole].split(b"\n\n"):
            head, is_line, line = frame.partition(b"\ndata: ")
            if is_line and head.startswith(b"id: "):
                self._id = head[4:]
                self._take(line, now)
            else:
                self._take_any(frame, head, line if is_line else None, now)

    def _take(self, line: bytes, now: float) -> None:
        self.delivered += 1
        number = number_of(line)
        if number is None:
            self.history.append(Fact("piece", line.decode("latin-1"), now))
            return
        run = self._run
        if run and number == run.last + 1:
            run.last, run.ended, run.last_id = number, now, self._id
        else:
            self._run = Run(number, number, now, now, self._id, self._id)
            self.history.append(self._run)
        self.last = number

    def _take_any(self, frame: bytes, head: bytes, data: bytes | None, now: float) -> None:
        """Take a frame that may be anything, also one that other fields stand before."""
        fields = {name: value for name, _, value in (f.partition(b": ") for f in head.split(b"\n"))}
        self._id = fields.get(b"id", self._id)
        if b"event" in fields:
            self.note(fields[b"event"].decode(), frame.decode())
        elif data is not None:
            self._take(data, now)
        elif b"id" in fields:
            self.note("id", self._id.decode())


class Audience(threading.Thread):
    """All clients, each of which comes back whenever its connection ends."""

    def __init__(self, port: int, count: int, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.everyone: list[Client] = []
        self.error: BaseException | None = None
        self._random = chance
        self._selector = selectors.DefaultSelector()
        self._stopped = False
        self.seats = [self._newcomer(i) for i in range(count)]

    def _newcomer(self, seat: int) -> Client:
        query = self._random.choice(["from=start", "backlog=0", "backlog=10", ""])
        window = 0 if seat % 2 else 16 * 1024
        client = Client(f"client {len(self.everyone)} ({query})", query, window)
        self.everyone.append(client)
        return client

    def pick(self, most: int) -> list[Client]:
        return self._random.sample(self.seats, self._random.randint(1, most))

    def replace(self) -> None:
        """One client leaves for good, another one comes."""
        seat = self._random.randrange(len(self.seats))
        self.seats[seat].has_left = True
        self.seats[seat] = self._newcomer(seat)

    def run(self) -> None:
        try:
            while not self._stopped:
                for key, _ in self._selector.select(0.01):
                    self._receive(key.data)
                now = clock()
                for client in self.everyone:
                    self._tend(client, now)
        except BaseException as error:
            self.error = error
            raise

    def _tend(self, client: Client, now: float) -> None:
        """Have a client do what it should do now."""
        if client.has_left or now < client.absent_until:
            self._hang_up(client)
        elif client.socket is None:
            try:
                client.connect(self.port)
            except OSError:
                client.absent_until = now + 0.1
        if client.socket:
            should_read = now >= client.stalled_until
            if should_read and not client.is_reading:
                self._selector.register(client.socket, selectors.EVENT_READ, client)
            elif client.is_reading and not should_read:
                self._selector.unregister(client.socket)
            client.is_reading = should_read

    def _receive(self, client: Client) -> None:
        assert client.socket
        try:
            data = client.socket.recv(256 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            client.feed(data)
        else:
            self._hang_up(client)
            client.absent_until = clock() + 0.05

    def _hang_up(self, client: Client) -> None:
        if client.socket:
            if client.is_reading:
                self._selector.unregister(client.socket)
            client.socket.close()
            client.socket, client.is_reading = None, False

    def settle(self, last: int) -> None:
        """Wait until all have got the line `last`, or nobody gets anything any more."""
        for client in self.seats:
            client.stalled_until = client.absent_until = 0.0
        progress, since = -1, clock()
        latest = since + SETTLED
        while clock() < min(since + SETTLING, latest) and any(
            client.last != last for client in self.seats
        ):
            delivered = sum(client.delivered for client in self.seats)
            if delivered != progress:
                progress, since = delivered, clock()
            threading.Event().wait(0.05)
        self._stopped = True
        self.join()


# --- chaos ----------------------------------------------------------------------------


class Action(NamedTuple):
    at: float
    name: str


class Chaos:
    """All that befalls the log, the server and the clients."""

    def __init__(
        self, chance: random.Random, writer: Writer, disk: Disk, server: Server, audience: Audience
    ) -> None:
        self.actions: list[Action] = []
        self.starts: list[float] = [0.0]
        """When the server was started."""
        self.pauses: list[tuple[float, float]] = []
        """When it was down or stopped."""
        self._random = chance
        self._writer = writer
        self._disk = disk
        self._server = server
        self._audience = audience
        self._log = disk.log
        self._dated = False
        self._packing = "plain"
        self._date = 0
        self._on_files: dict[Callable[[], None], float] = {
            self.rotate: 12,
            self.rotate_in_a_blink: 6,
            self.copytruncate: 5,
            self.copytruncate_while_written: 5,
            self.truncate: 4,
            self.truncate_and_regrow: 4,
            self.delete_and_create: 3,
            self.edit: 4,
            self.logrotate: 8,
            self.logrotate_copytruncate: 4,
            self.delete_oldest: 0.7,
            self.change_naming: 1,
        }
        self._on_others: dict[Callable[[], None], float] = {
            self.kill_server: 3,
            self.terminate_server: 2,
            self.stop_server: 4,
            self.kill_tail: 4,
            self.stop_tail: 3,
            self.new_client: 6,
            self.stall_clients: 5,
            self.drop_clients: 6,
            self.send_clients_away: 4,
        }

    def act(self) -> None:
        """Do one thing."""
        everything = self._on_files | self._on_others
        [action] = self._random.choices([*everything], [*everything.values()])
        if action in self._on_files:
            self._act_on_files(action)
        else:
            self._note(action)
            action()

    def _note(self, action: Callable[[], None], detail: str = "") -> None:
        self.actions.append(Action(clock(), action.__name__))

    def _act_on_files(self, action: Callable[[], None]) -> None:
        self._note(action)
        began = clock()
        self._disk.look(began, "before " + action.__name__)
        action()
        self._disk.look(began, action.__name__)

    def _some_on_files(self, most: int) -> None:
        for _ in range(self._random.randint(0, most)):
            [action] = self._random.choices([*self._on_files], [*self._on_files.values()])
            self._act_on_files(action)

    def wait(self, least: float, most: float) -> None:
        threading.Event().wait(self._random.uniform(least, most))

    def _perhaps_locked(self) -> AbstractContextManager[object]:
        return self._random.choice([self._writer.lock, nullcontext()])

    # --- rotation by hand

    def rotate(self) -> None:
        """Rename and create, after which the writer may be late to reopen."""
        self._rename(self._random.choice([0, 0, 0.05, 0.3]))
        if self._packing == "gzip" or self._random.random() < 0.4:
            self._reopen()
        else:
            self._writer.reopen_in(self._random.choice([0.01, 0.2, 1, 3]))
        if self._packing == "gzip":
            self._pack(self._rotated()[:1])

    def rotate_in_a_blink(self) -> None:
        with self._writer.between_lines():
            for _ in range(self._random.randint(2, 5)):
                self._rename(0)
                if self._random.random() < 0.6:
                    self._writer.reopen()
                    self._writer.write(self._random.randrange(1, 60))
            if self._random.random() < 0.8:
                self._writer.reopen()
            else:
                self._writer.reopen_in(self._random.uniform(0, 1))
        if self._packing == "gzip":
            self._reopen()
            self._pack(self._rotated())

    def copytruncate(self) -> None:
        name = self._next_name()
        with self._writer.lock:
            shutil.copyfile(self._log, name)
            os.truncate(self._log, 0)
        if self._packing == "gzip":
            self._pack([name])

    def copytruncate_while_written(self) -> None:
        name = self._next_name()
        with self._perhaps_locked():
            shutil.copyfile(self._log, name)
        self.wait(0, self._random.choice([0.001, 0.02, 0.3]))
        os.truncate(self._log, 0)
        if self._packing == "gzip":
            self._pack([name])

    def _rename(self, pause: float) -> None:
        name = self._next_name()
        with self._perhaps_locked():
            os.rename(self._log, name)
            self.wait(0, pause)
            self._log.touch()

    def _next_name(self) -> Path:
        """A name for the log to be rotated to, that is free; older files make room."""
        if self._packing == "gzip later":
            self._reopen()
            self._pack([path for path in self._rotated() if path.suffix != ".gz"])
        if self._dated:
            for path in self._rotated()[KEEP:]:
                path.unlink()
            now = int(time.time())
            self._date = max(self._date + 1, now * 1000 + 1)
            return self._log.with_name(
                f"{self._log.name}-{datetime.date.today():%Y%m%d}-{self._date}"
            )
        for number in range(KEEP, 0, -1):
            for packing in ("", ".gz"):
                path = self._log.with_name(f"{self._log.name}.{number}{packing}")
                if not path.exists():
                    continue
                if number == KEEP:
                    path.unlink()
                else:
                    path.rename(self._log.with_name(f"{self._log.name}.{number + 1}{packing}"))
        return self._log.with_name(self._log.name + ".1")

    def _rotated(self) -> list[Path]:
        """The rotated files, youngest first."""
        names = sorted(path.name for path in self._disk.files() if path != self._log)
        if self._dated:
            return [self._log.with_name(name) for name in reversed(names)]
        names.sort(key=lambda name: int(name.removesuffix(".gz").rpartition(".")[2]))
        return [self._log.with_name(name) for name in names]

    def _pack(self, paths: list[Path]) -> None:
        for path in paths:
            if path.suffix != ".gz":
                with path.open("rb") as plain, gzip.open(f"{path}.gz", "wb", 1) as packed:
                    shutil.copyfileobj(plain, packed)
                path.unlink()

    def _reopen(self) -> None:
        with self._writer.between_lines():
            self._writer.reopen()

    # --- rotation by logrotate

    def logrotate(self) -> None:
        if self._packing != "gzip":
            if self._packing == "gzip later":
                self._reopen()
            self._run_logrotate("create")
            self._writer.reopen_in(self._random.choice([0, 0.2, 2]))
            return
        request = self._writer.requests
        wait = f"touch {request}; while [ -e {request} ]; do sleep 0.01; done"
        self._run_logrotate("create", "postrotate", wait, "endscript")

    def logrotate_copytruncate(self) -> None:
        if self._packing == "gzip later":
            self._reopen()
        with self._perhaps_locked():
            self._run_logrotate("copytruncate")

    def _run_logrotate(self, *directives: str) -> None:
        directives = (f"rotate {KEEP}", *directives)
        if self._packing != "plain":
            directives = ("compress", *directives)
        if self._packing == "gzip later":
            directives = ("delaycompress", *directives)
        if self._dated:
            directives = ("dateext", "dateformat -%Y%m%d-%s", *directives)
            next_second = self._date // 1000 + 1.05  # time(2) may be a bit behind
            wait_until(lambda: time.time() > next_second, "a second without rotation")
        directory = self._log.parent.parent
        configuration = directory / "logrotate.conf"
        configuration.write_text("\n".join([f"{self._log} {{", *directives, "}\n"]))
        configuration.chmod(0o600)
        subprocess.run(
            [LOGROTATE, "-f", "-s", directory / "logrotate.state", configuration], check=True
        )
        self._date = max(self._date, int(time.time()) * 1000)

    def change_naming(self) -> None:
        """Another way to name and compress rotated files; it begins without any."""
        self._reopen()
        self._dated = self._random.random() < 0.5
        self._packing = self._random.choice(["plain", "gzip", "gzip later"])
        for path in self._rotated_of_any_name():
            path.unlink()

    def _rotated_of_any_name(self) -> list[Path]:
        return [path for path in self._disk.files() if path != self._log]

    # --- what destroys

    def truncate(self) -> None:
        with self._perhaps_locked():
            self._disk.look(clock(), "before truncate")
            os.truncate(self._log, 0)

    def truncate_and_regrow(self) -> None:
        with self._writer.between_lines():
            self._writer.reopen()
            size = self._log.stat().st_size
            os.truncate(self._log, 0)
            if size < 4_000_000:
                while self._log.stat().st_size <= size:
                    self._writer.write(self._random.choice([1, 10, 100]))

    def delete_and_create(self) -> None:
        with self._perhaps_locked():
            self._log.unlink()
            self.wait(0, self._random.choice([0, 0.1, 0.3]))
            self._log.touch()
        self._writer.reopen_in(self._random.choice([0, 0, 0.5]))

    def edit(self) -> None:
        """Write a copy with more lines under another name, and give it the log's name."""
        copy = self._log.with_name("edited")
        with self._writer.between_lines():
            self._writer.reopen()
            shutil.copyfile(self._log, copy)
            descriptor = os.open(copy, os.O_WRONLY | os.O_APPEND)
            self._writer.write(self._random.randrange(1, 50), descriptor)
            os.close(descriptor)
            copy.rename(self._log)
            self._writer.reopen()

    def delete_oldest(self) -> None:
        for path in self._rotated()[self._random.randint(1, 3) :]:
            path.unlink()

    # --- the server and its clients

    @contextmanager
    def _pause(self) -> Iterator[None]:
        began = clock()
        try:
            yield
        finally:
            self.pauses.append((began, clock()))

    def _restart(self, number: signal.Signals) -> None:
        with self._pause():
            code = self._server.end(number)
            assert number == signal.SIGKILL or code == 0, f"the server ended with {code}"
            self._some_on_files(3)
            self.starts.append(clock())
            self._server.arguments[-1] = str(self._random.choice([1, 4, 16]) * 1024 * 1024)
            self._server.start()

    def kill_server(self) -> None:
        self._restart(signal.SIGKILL)

    def terminate_server(self) -> None:
        self._restart(signal.SIGTERM)

    def stop_server(self) -> None:
        with self._pause():
            self._server.process.send_signal(signal.SIGSTOP)
            self.wait(0.1, self._random.choice([0.3, 2]))
            self._some_on_files(3)
            self._server.process.send_signal(signal.SIGCONT)

    def kill_tail(self) -> None:
        with suppress(psutil.NoSuchProcess):  # the server ended it just now
            for tail in self._server.tails():
                tail.kill()

    def stop_tail(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for tail in self._server.tails():
                tail.suspend()

    def new_client(self) -> None:
        self._audience.replace()

    def stall_clients(self) -> None:
        for client in self._audience.pick(10):
            client.stalled_until = clock() + self._random.uniform(0.2, 6)

    def drop_clients(self) -> None:
        for client in self._audience.pick(25):
            client.absent_until = clock() + self._random.choice([0, 0.02, 0.5])

    def send_clients_away(self) -> None:
        for client in self._audience.pick(15):
            client.absent_until = clock() + self._random.uniform(2, 12)


# --- the verdict ----------------------------------------------------------------------


class Problem(NamedTuple):
    """What went wrong with a client, before the event at `place` of its history."""

    kind: str
    span: Span
    client: Client
    place: int
    why: str


FAILURES = ("lost", "silent", "doubled", "out of order", "false gaps", "corrupt", "refused")


@dataclass
class Verdict:
    """Compares what each client got with what was written and what was destroyed."""

    writer: Writer
    disk: Disk
    chaos: Chaos
    everyone: list[Client]
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def judge(self, client: Client) -> None:
        self._client = client
        self._last: int | None = None
        self._missing: list[Span] = []
        opened: float | None = None
        facts: list[Fact] = []
        self._came = _time(client.history[0]) if client.history else clock()
        for self._place, entry in enumerate(client.history):
            if isinstance(entry, Run):
                if opened is None:
                    opened = entry.began
                self._judge_run(entry, facts, opened)
                facts = []
                continue
            facts.append(entry)
            if entry.name == "id" and opened is None:
                opened = entry.at
            elif entry.name == "piece" and entry.text.encode("latin-1") not in self.disk.pieces:
                self._fail("corrupt", Span(0, 0), entry.text[:200])
            elif entry.name == "refused":
                self._fail("refused", Span(0, 0), entry.text)
            elif entry.name == "gap":
                self._judge_gap(entry)
                if "not in the log" in entry.text:
                    self._came = entry.at  # it begins anew, and that was all it could be told
        self._place = len(client.history)
        if not client.has_left and client.last != self.writer.last:
            self._judge_missing(Span((self._last or 0) + 1, self.writer.last), facts, clock())

    def _judge_run(self, run: Run, facts: list[Fact], opened: float) -> None:
        if self._last is None:
            first = 1
            if "from=start" not in self._client.query:
                while first < run.first and self.writer.times[first] <= opened:
                    first += 1
            facts = [Fact("gap", "a new client is told nothing", opened), *facts]
            self._judge_missing(Span(first, run.first - 1), facts, run.began)
        elif run.first > self._last:
            self._judge_missing(Span(self._last + 1, run.first - 1), facts, run.began)
        elif any("not in the log" in fact.text for fact in facts if fact.name == "gap"):
            self.counts["repeated after a gap"] += min(self._last, run.last) - run.first + 1
        else:
            again = [Span(run.first, min(self._last, run.last))]
            for span in subtract(again, subtract(again, self._missing)):
                self._fail("out of order", span, f"after line {self._last}")
            for span in subtract(again, self._missing):
                self._fail("doubled", span, f"after line {self._last}")
        self._last = run.last

    def _judge_gap(self, gap: Fact) -> None:
        """A gap is true if the last line that was sent or the one after it was destroyed."""
        self.counts["gaps"] += 1
        if self._last is not None:
            around = [Span(self._last, self._last + 1)]
            # What was never seen on disk was gone before it was missed.
            destroyed = [d.span for d in self.disk.destroyed if d.since <= gap.at or not d.seen]
            if subtract(around, destroyed) == around:
                self._fail("false gaps", around[0], gap.text)

    def _judge_missing(self, span: Span, facts: list[Fact], now: float) -> None:
        if span.length <= 0:
            return
        self._missing.append(span)
        told = any(fact.name in ("gap", "truncated") for fact in facts)
        left = [span]
        for destroyed in self.disk.destroyed:
            if destroyed.seen and destroyed.since > now:
                continue
            here = subtract([span], subtract([span], [destroyed.span]))
            left = subtract(left, here)
            for piece in here:
                if told or not destroyed.seen or destroyed.since < self._came:
                    self.counts["excused"] += piece.length
                elif reason := self._why_undetectable(piece, destroyed.since, now):
                    self.counts[f"undetectable: {reason}"] += piece.length
                else:
                    self._fail("silent", piece, f"destroyed by {destroyed.action}")
        for piece in left:
            self._fail("lost", piece, f"told: {told}")

    def _why_undetectable(self, span: Span, since: float, now: float) -> str:
        """Why the server that went on had no chance to know of these lines, if it had none."""
        times = self.writer.times
        written = times[span.first]
        if since - written < GRACE:
            return "there for a moment"
        if since - written < BEHIND and not self._is_reached(span.first, since):
            return "the server had not come so far"
        if max(start for start in self.chaos.starts if start <= now) > times[span.first - 1]:
            return "there before the server was started"
        if any(begin < since + GRACE and written < end for begin, end in self.chaos.pauses):
            return "the server was stopped"
        return ""

    def _is_reached(self, number: int, by: float) -> bool:
        """Whether any client had got the line `number`, or a later one."""
        return any(
            isinstance(entry, Run) and entry.last >= number and entry.began < by
            for client in self.everyone
            for entry in client.history
        )

    def _fail(self, kind: str, span: Span, why: str) -> None:
        self.counts[kind] += span.length
        self.problems.append(Problem(kind, span, self._client, self._place, why))

    def explain(self, problem: Problem) -> str:
        """All that is known around a problem."""
        kind, span, client, place, why = problem
        history = client.history[max(0, place - 6) : place + 4]
        at = _time(client.history[min(place, len(client.history) - 1)])
        times = self.writer.times
        edges = {max(1, span.first - 1), max(1, span.first), min(span.last + 1, len(times) - 1)}
        since = min([times[number] for number in edges] + [_time(entry) for entry in history]) - 3
        events = [(_time(entry), f"    {client.name}: {_text(entry)}") for entry in history]
        events += [(a.at, f"  {a.name}") for a in self.chaos.actions if since < a.at < at + 2]
        events += [
            (d.since, f"  destroyed{' unseen' * (not d.seen)}: {d.span} by {d.action}")
            for d in self.disk.destroyed
            if d.span.last >= span.first - 1000 and d.span.first <= span.last + 1000
        ]
        events += [(s, "  the server starts") for s in self.chaos.starts if since < s < at + 2]
        events += [(times[number], f"  line {number} is written") for number in edges]
        lines = [
            f"{when - times[0]:10.3f} {text}"
            for when, text in sorted(events, key=lambda event: event[0])
        ]
        return "\n".join([f"{kind}: {span} of {client.name}: {why}", *lines])


def _time(entry: Run | Fact) -> float:
    return entry.began if isinstance(entry, Run) else entry.at


def _text(entry: Run | Fact) -> str:
    if isinstance(entry, Run):
        ids = f"{entry.first_id.decode()} to {entry.last_id.decode()}"
        return f"lines {entry.first} to {entry.last}, ids {ids}"
    return f"{entry.name} {entry.text[:300]!r}"


def audit(directory: Path, minutes: float, seed: int, clients: int) -> bool:
    """Whether nothing went wrong."""
    chance = random.Random(seed)
    log = directory / "logs" / "app.log"
    log.parent.mkdir()
    writer = Writer(log, seed)
    disk = Disk(log, writer)
    server = Server(directory, log, "--memory", 1024 * 1024)
    try:
        audience = Audience(server.port, clients, random.Random(seed))
        chaos = Chaos(chance, writer, disk, server, audience)
        writer.start()
        audience.start()
        deadline = clock() + 60 * minutes
        while clock() < deadline and not audience.error and server.process.poll() is None:
            chaos.act()
            chaos.wait(0, 1.4)
        writer.stop()
        disk.look(clock(), "the end")
        audience.settle(writer.last)
        is_alive = server.process.poll() is None
    finally:
        server.process.kill()
        server.process.wait()
    verdict = Verdict(writer, disk, chaos, audience.everyone)
    for client in verdict.everyone:
        verdict.judge(client)
    kinds = Counter(action.name for action in chaos.actions)
    print(f"seed {seed}, {minutes:g} minutes, {clients} clients")
    print("actions:", len(chaos.actions))
    for name, count in sorted(kinds.items()):
        print(f"  {name}: {count}")
    print("lines:", writer.last)
    print("destroyed:", sum(destroyed.span.length for destroyed in disk.destroyed))
    print("deliveries:", sum(client.delivered for client in audience.everyone))
    undetectable = [kind for kind in verdict.counts if kind.startswith("undetectable")]
    for kind in ("gaps", "excused", *undetectable, "repeated after a gap", *FAILURES):
        print(f"{kind}: {verdict.counts[kind]}")
    alike = Counter((problem.kind, problem.span) for problem in verdict.problems)
    first = {(problem.kind, problem.span): problem for problem in reversed(verdict.problems)}
    for (kind, span), count in sorted(alike.items(), key=lambda item: item[0][1]):
        print(f"{kind}: {span} of {count} clients")
    for key in list(alike)[:12]:
        print("\n" + verdict.explain(first[key]))
    errors = server.errors()
    if "Traceback" in errors:
        print("\nthe server's first error:", errors[errors.index("Traceback") :][:5000])
    return is_alive and not ("Traceback" in errors or verdict.problems or audience.error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(not audit(Path(directory), arguments.minutes, arguments.seed, arguments.clients))


if __name__ == "__main__":
    main()
