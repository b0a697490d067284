"""How a server ends, who is sent away, and where it stands."""

import asyncio
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import psutil
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from server.logs.position import Position
from server.settings import Settings
from server.web.context import Context
from server.web.numbers import NumberStreamHandler
from tests.event_stream import parse
from tests.running import PATIENCE, Client, Server, following, is_gone, running, wait_until


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("one\n")
    return path


def ask(server: Server, path: str, host: str = "127.0.0.1") -> socket.socket:
    """A connection that has asked for `path`, and has not read anything."""
    connection = socket.create_connection((host, server.port), PATIENCE)
    name = f"[{host}]" if ":" in host else host
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    return connection


def ask_and_stall(server: Server) -> socket.socket:
    """A client that takes nothing any more of a stream that has much to send, in large pieces."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(b"GET /stream-logs?from=start HTTP/1.1\r\nHost: localhost\r\n\r\n")
    seen: list[bytes] = []

    def stands_still() -> bool:
        text = server.get("/metrics")[2]
        seen.append(text[text.index(b"\nriacho_sent_bytes_total ") :].split()[1])
        return len(seen) > 30 and len(set(seen[-30:])) == 1 and float(seen[-1]) > 0

    wait_until(stands_still, "a stream that cannot go on")
    return connection


def rest(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("signals", [1, 20])
def test_a_drain_tells_all_clients_to_come_back_at_different_times(log: Path, signals: int) -> None:
    log.write_text(f"{'x' * 99}\n" * 200_000)
    server = Server(log.parent, "--retry", "10000", log)
    path = "/stream-logs?backlog=1"
    clients = [Client(server.url + path, reconnect=False) for _ in range(30)]
    for client in clients:
        client.wait_for(1)
    stalled = ask_and_stall(server)
    tail = server.tail()
    started = time.monotonic()
    for _ in range(signals):
        server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - started < 5  # 1.5 s for the one that takes nothing
    stalled.close()
    for client in clients:
        client.join(PATIENCE)
        assert [event.type for event in client.events] == ["message", "shutdown"]
    retries = {client.parser.retry for client in clients}
    assert len(retries) > 15
    assert all(5000 <= (retry or 0) <= 15000 for retry in retries)
    wait_until(lambda: is_gone(tail), "the end of tail")
    assert "Traceback" not in server.errors()
    assert server.errors().count("server stopped") == 31


def test_a_server_ends_with_the_terminal_in_which_it_was_started(log: Path) -> None:
    """Or it would hold its port when nobody can see it any more."""
    window, terminal = os.openpty()
    in_terminal = f'exec setsid --ctty "$@" <{os.ttyname(terminal)}'
    server = Server(log.parent, log, before=["sh", "-c", in_terminal, "sh"])
    client = Client(server.url + "/stream-logs", reconnect=False)
    client.wait_for(1)
    server.process.send_signal(signal.SIGHUP)  # the terminal is still there
    wait_until(lambda: "SIGHUP: no --certfile" in server.errors(), "a word about the signal")
    os.close(terminal)
    os.close(window)
    assert server.wait() == 0
    client.join(PATIENCE)
    assert [event.type for event in client.events] == ["message", "shutdown"]


def during_the_start(cwd: Path, script: str) -> dict[str, str]:
    """The environment of a server that runs `script` when it imports Tornado."""
    (cwd / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tornado':\n"
        f"            {script}\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    return {"PYTHONPATH": f"{cwd}:{os.environ.get('PYTHONPATH', '')}"}


HANG_UP = "os.kill(os.getpid(), signal.SIGHUP)"

CLOSE_TERMINAL = "window, terminal = os.openpty(); os.dup2(terminal, 0); os.close(window)"


def test_a_reload_that_is_asked_for_during_the_start_comes_after_it(log: Path) -> None:
    env = during_the_start(log.parent, HANG_UP)
    with running(log.parent, log, env=env) as server:
        wait_until(lambda: "SIGHUP: no --certfile" in server.errors(), "a word about the signal")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.errors().count("SIGHUP: no --certfile") == 2, "another word")


@pytest.mark.linux
def test_a_server_ends_though_its_terminal_was_closed_during_the_start(log: Path) -> None:
    env = during_the_start(log.parent, f"{CLOSE_TERMINAL}; {HANG_UP}")
    server = Server(log.parent, log, env=env)
    assert server.wait() == 0
    assert "Traceback" not in server.errors()


@pytest.mark.linux
def test_a_server_and_what_it_starts_can_be_told_of_a_hangup(log: Path) -> None:
    """A signal that is blocked stays so in a process's children (sigprocmask(2))."""

    def blocks(process: psutil.Process) -> bool:
        status = Path(f"/proc/{process.pid}/status").read_text()
        blocked = re.search(r"^SigBlk:\s+([0-9a-f]+)$", status, re.M)
        assert blocked
        return bool(int(blocked[1], 16) & 1 << (signal.SIGHUP - 1))

    with running(log.parent, log) as server:
        assert not blocks(server.tail())
        # which blocks all signals for the moment in which it starts a thread
        wait_until(lambda: not blocks(server.proc), "SIGHUP can come")


def test_a_server_that_ends_with_a_process_says_so(log: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        server = Server(log.parent, "--pid", other.pid, log)
        other.kill()
    assert server.wait() == 0
    assert f"the process {other.pid} of --pid is not there any more" in server.errors()


def test_what_ends_the_watch_of_a_process_is_told(log: Path) -> None:
    # in a process that may not look at others
    script = (
        "import os, sys\n"
        "real = os.kill\n"
        "def kill(pid, number):\n"
        "    if number == 0: raise RuntimeError('not to be looked at')\n"
        "    real(pid, number)\n"
        "os.kill = kill\n"
        "from server.cli import main\n"
        "sys.argv[1:] = ['app.log', '--port', '0', '--pid', '1']; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=log.parent, check=False
    )
    assert result.returncode == 1
    assert "not to be looked at" in result.stderr


def test_who_asks_for_a_stream_during_the_drain_is_told_to_come_back() -> None:
    """On a connection that is open already, as a proxy holds them."""

    async def main() -> bytes:
        context = Context(Settings(retry=10_000))
        server = HTTPServer(Application([("/", NumberStreamHandler)], riacho=context))
        server.add_sockets(sockets := bind_sockets(0, "127.0.0.1"))
        reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
        server.stop()
        await context.shut_down(1)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length
        body = await reader.readexactly(int(length[1]))
        writer.close()
        await server.close_all_connections()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"text/event-stream" in head
        assert not context.streams
        return body

    match = re.fullmatch(rb"retry: (\d+)\nevent: shutdown\ndata: \{\}\n\n", asyncio.run(main()))
    assert match
    assert 5000 <= int(match[1]) <= 15_000


@pytest.mark.linux
def test_a_large_file_that_is_being_unpacked_does_not_hold_up_the_end(log: Path) -> None:
    """A position in a compressed file, whose unpacking takes longer than the drain may."""
    text = b"line of a log\n" * 1_000_000
    with Path(f"{log}.1.gz").open("wb") as file:  # 14 GB, in parts that are all the same
        file.writelines([gzip.compress(text, 1)] * 1000)
    place = Position.at(len(text), lambda offset, length: text[offset : offset + length])
    assert place
    server = Server(log.parent, log)
    id = str(place._replace(offset=10_000_000_000))
    stream = ask(server, f"/stream-logs?last_event_id={id}")
    wait_until(lambda: unpacked(server), "the unpacking")
    started = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - started < 4
    stream.close()


def unpacked(server: Server) -> int:
    """How many files without a name the server has open."""
    count = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(link).endswith("(deleted)")
    return count


def test_who_finds_no_seat_gets_an_event_that_says_so(log: Path) -> None:
    with running(log.parent, "--max-clients", "2", "--retry", "100", log) as server:
        clients = [Client(server.url + "/stream-logs") for _ in range(2)]
        for client in clients:
            client.wait_for(1)
        retries = set()
        for path in ("/stream-logs", "/stream-numbers") * 5:
            status, headers, body = server.get(path)
            assert status == 200  # EventSource gives up on any other
            assert headers.get_content_type() == "text/event-stream"
            [event] = parse(body)
            told = json.loads(event.data)
            assert (event.type, told["why"]) == ("refused", "too many clients")
            assert 30_000 <= told["retry"] <= 90_000
            assert b"retry: %d\n" % told["retry"] in body
            retries.add(told["retry"])
        assert len(retries) > 5
        assert server.status("/logs/app.log") == 503  # for programs: no stream of events
        assert server.headers("/slow-numbers")["Retry-After"] == "60"
        assert server.errors().count("too many clients") < 10
        clients[0].stop()
        with following(server) as late:
            assert late.wait_for(1) == ["one"]
        clients[1].stop()


def test_an_address_has_only_so_many_seats(log: Path) -> None:
    options = ["--max-clients-per-address", "2", "--trusted-proxy", "127.0.0.1"]
    with running(log.parent, *options, log) as server:

        def stream(address: str) -> tuple[socket.socket, bytes]:
            connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
            connection.sendall(
                b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n"
                b"X-Forwarded-For: %b\r\n\r\n" % address.encode()
            )
            data = b""
            while b"data: " not in data:
                data += connection.recv(65536)
            return connection, data

        held = [stream("203.0.113.1") for _ in range(3)]
        assert [b"too many clients from this address" in data for _, data in held] == [
            False,
            False,
            True,
        ]
        other, data = stream("203.0.113.2")
        assert b"data: one" in data
        many = [stream("127.0.0.1") for _ in range(5)]  # loopback is not counted
        assert all(b"data: one" in data for _, data in many)
        for connection, _ in [*held, *many]:
            connection.close()
        other.close()


def test_a_client_that_takes_nothing_is_dropped_and_the_log_says_why(log: Path) -> None:
    with running(log.parent, "--keep-alive", "0.2", log) as server:
        stalled = ask(server, "/stream-numbers?to=1000000&interval=0")
        wait_until(lambda: "took nothing" in server.errors(), "the end of the stream")
        stalled.close()
    assert "client took nothing any more" in server.errors()


def test_what_a_client_sends_after_its_request_is_bounded_and_it_may_leave(log: Path) -> None:
    with running(log.parent, log) as server:
        server.tail()
        before = server.proc.num_fds()
        memory = server.proc.memory_info().rss
        talkers = [ask(server, "/stream-logs") for _ in range(50)]
        for talker in talkers[:25]:
            talker.sendall(b"GET /stream-logs HTTP/1.1\r\n\r\n")
        for talker in talkers[25:]:
            with suppress(BrokenPipeError, ConnectionResetError):
                while True:
                    talker.sendall(bytes(65536))
        assert server.proc.memory_info().rss - memory < 20 * 2**20
        for talker in talkers:
            talker.close()
        wait_until(lambda: server.proc.num_fds() <= before, "descriptors at rest", 10)
    assert server.errors().count("Reached maximum") < 10


def test_ipv6_and_a_prefix(log: Path) -> None:
    with running(log.parent, "--host", "::1", "--prefix", "riacho/logs/", log) as server:
        assert server.url == f"http://[::1]:{server.port}/riacho/logs"
        for path, status in (
            ("/riacho/logs/", b"200"),
            ("/riacho/logs/index.html", b"200"),
            ("/riacho/logs/healthz", b"200"),
            ("/riacho/logs", b"301"),
            ("/", b"404"),
            ("/healthz", b"404"),
            ("/stream-logs", b"404"),
            ("/riacho/logsx", b"404"),
        ):
            with ask(server, path, "::1") as connection:
                assert connection.recv(65536).split()[1] == status, path
        with ask(server, "/riacho/logs/stream-logs", "::1") as connection:
            data = b""
            while b"data: one\n" not in data:
                data += connection.recv(65536)


@pytest.mark.linux
def test_a_flood_of_forged_ids_keeps_nobody_waiting(log: Path) -> None:
    """Ids that begin as a compressed file does, so that it has to be unpacked to tell."""
    text = b"".join(b"line %d of a log\n" % number for number in range(150_000))
    Path(f"{log}.1.gz").write_bytes(gzip.compress(text, 1))
    head = f"{crc32(text[:1024]):x}"
    with running(log.parent, log) as server, following(server, "/stream-logs?backlog=0") as client:
        forgers = []
        memory = server.proc.memory_info().rss
        for number in range(50):
            connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
            connection.sendall(
                b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n"
                b"Last-Event-ID: %x-%b-%x\r\n\r\n" % (100_000 + number, head.encode(), number)
            )
            forgers.append(connection)
        for number in range(30):
            with log.open("a") as file:
                file.write(f"live {number}\n")
            client.wait_for(number + 1)
        for forger in forgers:  # each is answered, and told
            data = b""
            while b"event: gap" not in data:
                data += forger.recv(65536)
            forger.close()
        assert server.proc.memory_info().rss - memory < 100 * 2**20
        assert unpacked(server) <= 2


RESUMED_IN = 10.0
"""Seconds, many times more than it takes: to unpack 8 files once, not 200 files."""


@pytest.mark.linux
@pytest.mark.parametrize("is_informed", [False, True])
def test_a_real_resume_waits_for_few_of_two_hundred_forged_ones(
    log: Path, is_informed: bool
) -> None:
    """Eight compressed files; who is informed knows how each of them begins."""
    texts = [
        b"".join(b"line %d of file %d\n" % (number, file) for number in range(400_000))
        for file in range(8)
    ]
    for number, text in enumerate(texts):
        Path(f"{log}.{number + 1}.gz").write_bytes(gzip.compress(text, 1))
    real = texts[0]
    end = real.index(b"\n", 200_000) + 1
    position = Position.at(end, lambda at, count: real[at : at + count])
    with running(log.parent, log) as server:
        forgers = []
        for number in range(200):
            head = crc32(texts[1 + number % 7][:1024]) if is_informed else number
            connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
            connection.sendall(
                b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n"
                b"Last-Event-ID: %x-%x-%x\r\n\r\n" % (1_000_000 + number, head, number)
            )
            forgers.append(connection)
        begun = time.monotonic()
        with following(server, last_event_id=str(position)) as client:
            assert client.wait_for(1)[0] == real[end:].partition(b"\n")[0].decode()
            assert time.monotonic() - begun < RESUMED_IN
        for forger in forgers:
            forger.close()
