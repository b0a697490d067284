"""Connections: those that wait, those that are turned away, and those that end."""

import asyncio
import resource
import socket
import struct
from pathlib import Path

import psutil
import pytest
from tornado.web import Application, RequestHandler

from server.web.listener import BoundedServer, listen
from tests.running import PATIENCE, Client, following, running, wait_until


def test_a_server_without_descriptors_says_so_goes_on_and_recovers(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with running(tmp_path, log) as server, following(server) as client:
        client.wait_for(1)
        free = 10
        limit = server.proc.num_fds() + free
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        others = [
            socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(free + 50)
        ]
        wait_until(lambda: "clients are turned away" in server.errors(), "a word about it")
        used = cpu_seconds(server.proc)

        # those who are in go on, through a rotation too
        with log.open("a") as file:
            file.write("two\n")
        log.rename(tmp_path / "app.log.1")
        log.write_text("three\n")
        client.wait_for(2)
        for other in others:
            other.close()
        assert client.wait_for(3) == ["one", "two", "three"]
        with following(server) as late:
            assert late.wait_for(1) == ["three"]
        assert cpu_seconds(server.proc) - used < 1
        assert server.errors().count("turned away") < 10


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def test_who_is_turned_away_gets_in_later(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with running(tmp_path, log) as server, following(server):
        limit = server.proc.num_fds()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, 1000))
        late = Client(server.url + "/stream-logs")
        wait_until(lambda: "clients are turned away" in server.errors(), "a word about it")
        assert not late.opened.is_set()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (1000, 1000))
        assert late.wait_for(1) == ["one"]
        late.stop()


class Slow(RequestHandler):
    """Answers when `may_answer` is set."""

    def initialize(self, is_asked: asyncio.Event, may_answer: asyncio.Event) -> None:
        self.is_asked, self.may_answer = is_asked, may_answer

    async def get(self) -> None:
        self.is_asked.set()
        await self.may_answer.wait()
        self.finish("answered")


def test_a_server_that_stops_closes_only_connections_that_wait_for_a_request() -> None:
    """Or a browser asks for its stream again, of the server that has just sent it away."""

    async def main() -> None:
        given = {"is_asked": asyncio.Event(), "may_answer": asyncio.Event()}
        server = BoundedServer(Application([("/", Slow, given)]))
        server.add_sockets(sockets := listen(0, "127.0.0.1"))
        address = sockets[0].getsockname()
        silent, silent_writer = await asyncio.open_connection(*address)
        asks, asks_writer = await asyncio.open_connection(*address)
        asks_writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await given["is_asked"].wait()
        server.stop()
        assert await asyncio.wait_for(silent.read(), PATIENCE) == b""
        given["may_answer"].set()
        head = await asks.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await asks.readexactly(8) == b"answered"
        for writer in (silent_writer, asks_writer):
            writer.close()
        await server.close_all_connections()

    asyncio.run(main())


@pytest.mark.usefixtures("many_descriptors")
def test_connections_that_send_nothing_keep_nobody_out(tmp_path: Path) -> None:
    """256 descriptors, and a thousand connections that come again as soon as they are closed."""
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with (
        running(tmp_path, log, before=["prlimit", "--nofile=256:256"]) as server,
        following(server) as client,
    ):
        client.wait_for(1)
        silent = [
            socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(1000)
        ]
        with following(server) as late:  # while all of them are there
            assert late.wait_for(1) == ["one"]
            with log.open("a") as file:
                file.write("two\n")
            assert client.wait_for(2) == late.wait_for(2) == ["one", "two"]
            assert server.get("/healthz")[0] == 200
        assert server.proc.num_fds() < 100
        for one in silent:
            one.close()
        assert "turned away" not in server.errors()
        # those who ask for a stream get an event that says that there is no seat
        clients = [Client(server.url + "/stream-logs") for _ in range(160)]
        wait_until(lambda: all(other.events for other in clients), "an event for each")
        seats = 256 - 256 // 4 - 80 - 1  # less those that may wait, what is reserved, and `client`
        wait_until(lambda: sum(bool(other.lines) for other in clients) == seats, "all seats taken")
        assert sum(bool(other.facts("refused")) for other in clients) >= 160 - seats
        for other in clients:
            other.stop()


def test_the_requests_of_a_client_that_has_gone_are_not_answered(tmp_path: Path) -> None:
    """64 KiB of them lie in memory for each, and would hold up others, and the server's end."""
    log = tmp_path / "app.log"
    log.write_text("one\n")
    request = b"GET /riacho.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    count = 60 * 1024 // len(request)
    with running(tmp_path, log) as server:
        gone = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(20)]
        for one in gone:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.sendall(request * count)
        for one in gone:
            one.close()  # a reset
        with following(server) as client:
            assert client.wait_for(1) == ["one"]
        assert server.end() == 0
    assert 0 < server.errors().count("GET /riacho.js") < len(gone) * count / 4
