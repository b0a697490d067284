"""A real server process, and clients that are threads of the test."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.event_stream import Parsed, Parser

PATIENCE = 30.0
"""Seconds after which a condition that has not come true is a failure."""


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as `condition` holds; fail, saying `what`, if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        threading.Event().wait(0.01)


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # reaped between the two questions
        return True


def children(process: psutil.Process, *words: str, recursive: bool = True) -> list[psutil.Process]:
    """Those that `process` has started and that run, with one of `words` as name or argument."""
    found = []
    for child in process.children(recursive=recursive):
        with suppress(psutil.NoSuchProcess):  # it may end at any time
            if {child.name(), *child.cmdline()} & {*words} and not is_gone(child):
                found.append(child)
    return found


def on_small_disk(directory: Path, size: str) -> list[str]:
    """What starts a command that finds an empty disk of that size at `directory`: `before`.

    The disk is in a mount namespace of its own, which takes no root, and goes with the command;
    /proc/PID/root shows it to others.
    """
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(directory)]


class Server:
    """`python -m server` with `arguments`, started in the directory `cwd`."""

    def __init__(
        self,
        cwd: Path,
        *arguments: object,
        env: dict[str, str] | None = None,
        before: list[str] | None = None,
    ) -> None:
        self.cwd = cwd
        self.before = before or []
        """A command that starts the server in a way of its own."""
        self.arguments = [str(argument) for argument in arguments]
        self.env = {**os.environ, **(env or {})}
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start, or start again on the same port, and wait until it is up."""
        self.log = (self.cwd / "server.err").open("ab")
        self.process = subprocess.Popen(
            [
                *self.before,
                sys.executable,
                "-m",
                "server",
                "--port",
                str(self.port),
                *self.arguments,
            ],
            cwd=self.cwd,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self.output: list[str] = []
        assert self.process.stdout
        for line in self.process.stdout:
            self.output.append(line.decode())
            if match := re.match(
                r"  (https?://\S+:(\d+)\S*)/(\?token=\S+)? .*the pages", self.output[-1]
            ):
                self.url, self.port, self.query = match[1], int(match[2]), match[3] or ""
            if line.startswith(b"Ctrl+C"):
                return
        self.abandon()
        raise AssertionError(f"the server did not start: {self.errors()}")

    def abandon(self) -> None:
        """Leave nothing of a server that did not come up: who asked for it never gets it."""
        self.process.kill()
        self.wait()

    @property
    def proc(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def tails(self) -> list[psutil.Process]:
        """The processes of this server that are running GNU tail, by the name that it has here."""
        return children(self.proc, "tail", "gtail", recursive=False)

    def resume_tails(self) -> None:
        """Let all tails go on: one that is stopped outlives its server, and keeps what it has taken
        of the system's inotify instances.
        """
        with suppress(psutil.NoSuchProcess):  # it may end at any time
            for tail in self.tails():
                tail.resume()

    def tail(self) -> psutil.Process:
        """The one `tail`, as soon as it runs."""
        found: list[psutil.Process] = []

        def runs() -> bool:
            found[:] = self.tails()
            return bool(found)

        wait_until(runs, "tail runs")
        [tail] = found
        return tail

    def errors(self) -> str:
        """All that the server wrote on stderr."""
        return (self.cwd / "server.err").read_text()

    def kill(self) -> None:
        """Pull the plug."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()
        self.log.close()
        return code

    def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and whole body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def status(self, path: str, **headers: str) -> int:
        """The status alone: bodies may never end."""
        return self._begin(path, headers).status

    def headers(self, path: str, **headers: str) -> http.client.HTTPMessage:
        """The headers alone."""
        return self._begin(path, headers).headers

    def _begin(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        return json.loads(self.get(path)[2])


@contextmanager
def running(cwd: Path, *arguments: object, **kwargs: Any) -> Iterator[Server]:
    """A server that is up, and that ends well."""
    server = Server(cwd, *arguments, **kwargs)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            try:
                assert server.end() == 0
            finally:
                server.process.kill()
        assert "Traceback" not in server.errors(), server.errors()


class Client(threading.Thread):
    """Follows a stream as EventSource does: it comes back with the last event id.

    It reconnects as soon as it can, whatever `retry` says, until `stop`, or until the
    stream says `close` or 204. Only whole events count.
    """

    def __init__(self, url: str, last_event_id: str = "", reconnect: bool = True) -> None:
        super().__init__(daemon=True)
        self.events: list[Parsed] = []
        self._count = 0  # of the log lines among them
        self.connects = 0
        self.opened = threading.Event()
        self.finished = False
        self.last_event_id = last_event_id
        self.status = 0
        self.headers: Any = None
        self._url = urlsplit(url)
        self._reconnect = reconnect
        self._connection: http.client.HTTPConnection | None = None
        self._stopped = threading.Event()
        self._may_read = threading.Event()
        self._may_read.set()
        self.start()

    def run(self) -> None:
        while not self._stopped.is_set() and not self.finished:
            try:
                self._listen()
            except (OSError, http.client.HTTPException, ValueError, AttributeError):
                pass  # also what http.client raises when it is closed from outside
            if not self._reconnect:
                return
            self._stopped.wait(0.05)

    def connect(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(address, timeout=60)

    def _listen(self) -> None:
        connection = self._connection = self.connect(self._url.netloc)
        headers = {"Accept": "text/event-stream"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        try:
            connection.request("GET", f"{self._url.path}?{self._url.query}", headers=headers)
            response = connection.getresponse()
            self.status, self.headers = response.status, response.headers
            if response.status != 200:
                self.finished = response.status == 204
                return
            self.connects += 1
            self.parser = Parser(self.last_event_id)
            while data := response.read1(65536):
                for event in self.parser.feed(data):
                    self.events.append(event)
                    self._count += event.type == "message"
                    self.finished |= event.type == "close"
                self.last_event_id = self.parser.last_event_id
                self.opened.set()
                self._may_read.wait()
        finally:
            connection.close()

    def drop(self) -> None:
        """Cut the connection; a reconnecting client comes back."""
        connection = self._connection
        if connection and connection.sock:
            try:
                connection.sock.shutdown(2)
            except OSError:
                pass

    def stall(self) -> None:
        """Stop reading."""
        self._may_read.clear()

    def go_on(self) -> None:
        self._may_read.set()

    def stop(self) -> None:
        self._stopped.set()
        self._may_read.set()
        self.drop()
        self.join(PATIENCE)

    @property
    def lines(self) -> list[str]:
        """The log lines that came, without the facts."""
        return [event.data for event in list(self.events) if event.type == "message"]

    def facts(self, type: str) -> list[Any]:
        return [json.loads(event.data) for event in list(self.events) if event.type == type]

    def wait_for(self, lines: int) -> list[str]:
        """Wait until at least so many lines have come, and give them."""
        wait_until(lambda: self._count >= lines, f"{lines} lines")
        return self.lines


@contextmanager
def following(server: Server, path: str = "/stream-logs", **kwargs: Any) -> Iterator[Client]:
    """A client that has been let in."""
    client = Client(server.url + path, **kwargs)
    try:
        wait_until(lambda: client.opened.is_set() or client.status not in (0, 200), "the stream")
        yield client
    finally:
        client.stop()
