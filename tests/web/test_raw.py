"""`/logs/NAME`: what a client has of a file goes on to be of that file, and of no other.

And what that and `/logs` say while the system does not let the log be read.
"""

import asyncio
import errno
import http.client
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.feeding import log_feed
from tests.logs.test_trouble import unreadable
from tests.running import PATIENCE, Server, running, wait_until
from tests.serving import serving

EIO = os.strerror(errno.EIO)

TEXT = b"line of a log\n" * 40_000


def get(port: int, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@contextmanager
def unlisted(monkeypatch: pytest.MonkeyPatch, log: Path, number: int) -> Iterator[None]:
    """What stands beside the log cannot be told, while its file can be read."""

    def failing(path: Path) -> Any:
        raise OSError(number, os.strerror(number), str(path))

    log.with_name("app.log.1").touch()  # or the last look would still be good
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", failing)
        yield


@pytest.mark.parametrize("breaking", [unreadable, unlisted])
def test_a_log_that_cannot_be_read_is_listed_with_its_problem(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    breaking: Callable[..., AbstractContextManager[None]],
) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(TEXT)

    async def listed(port: int) -> Any:
        response, body = await asyncio.to_thread(get, port, "/logs")
        assert response.status == 200
        [described] = json.loads(body)["logs"]
        assert described["name"] == "app.log"
        return described

    async def main() -> None:
        async with serving(log) as (_, port):
            assert "problem" not in await listed(port)
            with breaking(monkeypatch, log, errno.EIO):
                with log.open("a") as file:
                    file.write("next\n")
                async with asyncio.timeout(PATIENCE):
                    while "problem" not in (described := await listed(port)):
                        await asyncio.sleep(0.05)
                assert described["problem"] == f"cannot be read: {EIO}"
            async with asyncio.timeout(PATIENCE):
                while "problem" in (described := await listed(port)):
                    await asyncio.sleep(0.05)
            assert described["generations"] >= 1

    asyncio.run(main())
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_bytes_of_a_log_that_cannot_be_read_are_a_503_that_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(TEXT)

    async def main() -> None:
        async with serving(log) as (_, port):
            with unreadable(monkeypatch, log, errno.EIO):
                response, body = await asyncio.to_thread(get, port, "/logs/app.log", method)
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
                if method == "GET":
                    assert body.decode() == f"app.log cannot be read: {EIO}\n"
            response, body = await asyncio.to_thread(get, port, "/logs/app.log")
            assert (response.status, body) == (200, TEXT)

    asyncio.run(main())
    assert not [record for record in caplog.records if record.exc_info]


def test_a_download_that_comes_to_bytes_that_cannot_be_read_breaks_off_and_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not look whole to the client."""
    log = tmp_path / "app.log"
    log.write_bytes(TEXT)

    async def main() -> None:
        async with serving(log) as (_, port):
            with unreadable(monkeypatch, log, errno.EIO, 400_000, 400_001):
                with pytest.raises(http.client.IncompleteRead) as broken_off:
                    await asyncio.to_thread(get, port, "/logs/app.log")
                assert TEXT.startswith(broken_off.value.partial)

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert not [record for record in caplog.records if record.exc_info]
    told = [record.getMessage() for record in caplog.records if record.name == "riacho.streams"]
    assert [line.endswith(f"app.log cannot be read: {EIO}") for line in told] == [True]


@pytest.mark.linux
def test_a_log_that_is_there_and_no_file_is_not_told_to_be_missing(tmp_path: Path) -> None:
    log = tmp_path / "app.log"

    async def main() -> None:
        async with serving(log) as (_, port):

            async def answer() -> tuple[int, str]:
                response, body = await asyncio.to_thread(get, port, "/logs/app.log")
                return response.status, body.decode()

            async def until(status: int, text: str) -> None:
                async with asyncio.timeout(PATIENCE):
                    while await answer() != (status, text):
                        await asyncio.sleep(0.05)

            await until(404, "app.log does not exist yet\n")
            log.mkdir()
            await until(503, "app.log is not a regular file\n")

    asyncio.run(main())


def test_who_asks_for_one_of_several_logs_that_cannot_be_opened_does_not_wait(
    tmp_path: Path,
) -> None:
    """Nor while others do who listen to it."""
    (tmp_path / "app.log").write_bytes(TEXT)

    async def main() -> None:
        async with serving(tmp_path / "app.log", tmp_path / "none/a.log", "/dev/null") as (_, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /stream-logs?log=null HTTP/1.0\r\nHost: localhost\r\n\r\n")
            for path, status, words in (
                ("/logs/app.log", 200, "line of a log"),
                ("/logs/a.log", 404, "a.log is not there\n"),
                ("/logs/null", 503, "null cannot be read: is not a regular file"),
            ):
                response, body = await asyncio.to_thread(get, port, path)
                assert response.status == status
                assert words in body.decode()
            writer.close()

    asyncio.run(main())


# --- ranges, and what becomes of the file meanwhile ----------------------------------

OLD = "".join(f"old line {n}\n" for n in range(100)).encode()
NEW = "".join(f"new line {n}\n" for n in range(200)).encode()

LARGE = (b"x" * 99 + b"\n") * 400_000
"""More than any socket holds."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def server(log: Path) -> Iterator[Server]:
    with running(log.parent, log) as server:
        yield server


def etag(server: Server) -> str:
    return str(server.headers("/logs/app.log")["ETag"])


def test_an_etag_stays_until_the_file_is_another_or_holds_more(server: Server, log: Path) -> None:
    first = etag(server)
    assert re.fullmatch(r'"[0-9a-f-]+/[0-9a-f]+"', first)  # a strong one
    assert etag(server) == first
    assert server.headers("/logs/app.log", Range="bytes=5-9")["ETag"] == first
    with log.open("ab") as file:
        file.write(b"more\n")
    longer = etag(server)
    assert longer != first
    assert longer.partition("/")[0] == first.partition("/")[0]  # still the same file


def other(tag: str) -> str:
    """One of another file."""
    return tag.replace('"', '"0', 1)


def larger(tag: str) -> str:
    """One of a state of the same file in which it was longer than now."""
    return tag[:-1] + 'fff"'


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        (lambda tag: tag, True),
        (lambda tag: f" {tag} ", True),
        (other, False),
        (larger, False),
        (lambda tag: f"W/{tag}", False),  # a weak one never is (RFC 9110, section 13.1.5)
        (lambda tag: tag.strip('"'), False),
        (lambda tag: f"{tag}, {tag}", False),
        (lambda tag: "Sat, 29 Oct 1994 19:43:31 GMT", False),
        (lambda tag: "*", False),
        (lambda tag: "", False),
    ],
)
def test_a_range_is_given_only_of_the_file_that_the_client_has(
    server: Server, condition: Callable[[str], str], is_met: bool
) -> None:
    headers = {"Range": "bytes=100-", "If-Range": condition(etag(server))}
    status, _, body = server.get("/logs/app.log", **headers)
    assert (status, body) == ((206, OLD[100:]) if is_met else (200, OLD))


def grow(log: Path) -> None:
    with log.open("ab") as file:
        file.write(NEW)


def rotate(log: Path) -> None:
    log.rename(log.with_name("app.log.1"))
    log.write_bytes(NEW)


@pytest.mark.parametrize(
    ("change", "status", "body"),
    [(grow, 206, NEW), (rotate, 200, NEW), (lambda log: log.write_bytes(NEW), 200, NEW)],
    ids=["it grows", "it is rotated", "it is written anew"],
)
def test_a_download_goes_on_where_it_was_unless_the_file_is_another(
    server: Server, log: Path, change: Callable[[Path], object], status: int, body: bytes
) -> None:
    headers = {"Range": f"bytes={len(OLD)}-", "If-Range": etag(server)}
    change(log)
    wait_until(lambda: b"new line" in server.get("/logs/app.log")[2], "the next one is followed")
    got, _, rest = server.get("/logs/app.log", **headers)
    assert (got, rest) == (status, body)


def test_a_file_that_is_rotated_between_its_size_and_its_bytes_is_sent_itself(log: Path) -> None:
    async def main() -> bytes:
        feed = log_feed(log)
        await feed.log.open()
        raw = await feed.log.raw()
        assert raw
        size = raw.size
        rotate(log)
        data = b"".join([piece async for piece in raw.read(0, size)])
        feed.log.close()
        return data

    assert asyncio.run(main()) == OLD


def begin(server: Server) -> http.client.HTTPResponse:
    """A download of which the client has taken nothing but the headers."""
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(b"GET /logs/app.log HTTP/1.1\r\nHost: localhost\r\n\r\n")
    response = http.client.HTTPResponse(connection)
    response.begin()
    connection.close()  # as soon as the response is
    return response


def test_a_file_that_is_rotated_while_it_is_sent_is_sent_to_its_end(log: Path) -> None:
    log.write_bytes(LARGE)
    with running(log.parent, log) as server, begin(server) as response:
        rotate(log)
        wait_until(lambda: server.get("/logs/app.log")[2] == NEW, "the next one is followed")
        assert response.read() == LARGE


def test_a_client_notices_that_a_file_was_truncated_while_it_was_sent(log: Path) -> None:
    log.write_bytes(LARGE)
    with running(log.parent, log) as server, begin(server) as response:
        log.write_bytes(b"")
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
