"""SIGHUP: a new certificate and a new token are taken up while streams go on."""

import asyncio
import http.client
import logging
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server import reloading
from server.reloading import Reloading
from server.settings import Settings
from tests.running import PATIENCE, Client, Server, running, wait_until

OLD, NEW = "old-token", "new-token"


def trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class TlsClient(Client):
    """A client that speaks TLS to a certificate that nobody has signed."""

    def connect(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(address, timeout=60, context=trusting_all())


def make_certificate(directory: Path) -> None:
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        " -keyout key.pem -out cert.pem -subj /CN=localhost"
    )
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)


def new_certificate_with_the_old_key(directory: Path) -> None:
    """As when the files are read before both were renewed."""
    key = (directory / "key.pem").read_bytes()
    make_certificate(directory)
    (directory / "key.pem").write_bytes(key)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A server with a certificate and a token's file, and a log of one line."""
    make_certificate(tmp_path)
    (tmp_path / "token").write_text(OLD)
    (tmp_path / "app.log").write_text("one\n")
    options = ["--certfile", "cert.pem", "--keyfile", "key.pem", "--token-file", "token"]
    with running(tmp_path, *options, tmp_path / "app.log") as server:
        yield server


def ask(server: Server, path: str, **headers: str) -> http.client.HTTPResponse:
    address = f"127.0.0.1:{server.port}"
    connection = http.client.HTTPSConnection(address, timeout=60, context=trusting_all())
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def shown_by(server: Server) -> str:
    return ssl.get_server_certificate(("127.0.0.1", server.port)).strip()


def status(server: Server, token: str) -> int:
    return ask(server, "/logs", Authorization=f"Bearer {token}").status


def hang_up(server: Server, said: str) -> None:
    """Send SIGHUP, and wait until the server has said something once more."""
    count = server.errors().count(said)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.errors().count(said) > count, said)


def test_a_new_certificate_and_a_new_token_are_taken_up_and_streams_go_on(
    guarded: Server, tmp_path: Path
) -> None:
    before = (tmp_path / "cert.pem").read_text().strip()
    assert (shown_by(guarded), status(guarded, OLD), status(guarded, NEW)) == (before, 200, 401)
    client = TlsClient(f"{guarded.url}/stream-logs?from=start&token={OLD}")
    try:
        client.wait_for(1)
        make_certificate(tmp_path)
        (tmp_path / "token").write_text(NEW)
        hang_up(guarded, "token was read again")
        after = (tmp_path / "cert.pem").read_text().strip()
        assert before != after
        assert (shown_by(guarded), status(guarded, OLD), status(guarded, NEW)) == (after, 401, 200)
        with (tmp_path / "app.log").open("a") as log:
            log.write("two\n")
        assert client.wait_for(2) == ["one", "two"]
        assert client.connects == 1
    finally:
        client.stop()


def test_a_token_is_not_logged_after_it_was_replaced(guarded: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(NEW)
    hang_up(guarded, "token was read again")
    for token in (OLD, NEW):
        (tmp_path / "token").write_bytes(b"")
        status(guarded, token)
    hang_up(guarded, "stays in use")
    assert OLD not in guarded.errors()
    assert NEW not in guarded.errors()


def test_a_cookie_of_the_former_token_is_void(guarded: Server, tmp_path: Path) -> None:
    given = ask(guarded, f"/?token={OLD}", Accept="text/html").headers["Set-Cookie"]
    cookie = given.partition(";")[0]
    assert ask(guarded, "/logs", Cookie=cookie).status == 200
    (tmp_path / "token").write_text(NEW)
    hang_up(guarded, "token was read again")
    assert ask(guarded, "/logs", Cookie=cookie).status == 401


def test_systemd_is_told_when_the_reading_begins_and_ends(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    (tmp_path / "token").write_text(OLD)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(PATIENCE)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        arguments = ["--token-file", "token", tmp_path / "app.log"]
        with running(tmp_path, *arguments, env=env) as server:
            assert channel.recv(4096).startswith(b"READY=1\n")
            server.process.send_signal(signal.SIGHUP)
            assert channel.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert channel.recv(4096) == b"READY=1"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: (path / "cert.pem").unlink(), "--certfile cert.pem: there is no such file"),
        (lambda path: (path / "key.pem").write_text("no key"), "--certfile cert.pem and its key"),
        (new_certificate_with_the_old_key, "--certfile cert.pem and its key cannot be used"),
        (lambda path: (path / "token").unlink(), "--token-file token cannot be read"),
        (lambda path: (path / "token").write_text("\n"), "--token-file token has no token"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(
    guarded: Server, tmp_path: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    before = shown_by(guarded)
    spoil(tmp_path)
    hang_up(guarded, said)
    assert (shown_by(guarded), status(guarded, OLD), status(guarded, NEW)) == (before, 200, 401)


def test_a_token_that_does_not_come_holds_up_no_exit(guarded: Server, tmp_path: Path) -> None:
    (tmp_path / "token").unlink()
    os.mkfifo(tmp_path / "token")
    hang_up(guarded, "cert.pem was read again")
    assert status(guarded, OLD) == 200
    assert guarded.end() == 0


def test_a_file_that_cannot_be_read_holds_up_no_later_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a disk that is out of reach: nothing can end the thread that reads."""
    caplog.set_level(logging.INFO, "server.reloading")
    never, path, tokens = threading.Event(), tmp_path / "token", list[str]()
    monkeypatch.setattr(reloading, "PATIENCE", 0.1)
    monkeypatch.setattr(reloading, "read_token", lambda path: never.wait())

    async def main() -> None:
        one = Reloading(Settings(token_file=path), lambda tls: None, tokens.append)
        task = asyncio.create_task(one.run())
        one.request()
        await until(lambda: "is not read within 0.1 s" in caplog.text)
        monkeypatch.setattr(reloading, "read_token", lambda path: NEW)
        one.request()
        await until(lambda: tokens == [NEW])
        monkeypatch.setattr(reloading, "read_token", lambda path: never.wait())
        one.request()
        task.cancel()

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)

    asyncio.run(main())  # which waits for the threads of `asyncio.to_thread`
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "reload")
    never.set()


def test_without_anything_to_read_the_server_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with running(tmp_path, tmp_path / "app.log") as server:
        hang_up(server, "nothing is read")
        assert server.status("/logs") == 200
