"""The files of deploy/: each proxy streams, each server may be restarted, the unit holds."""

import re
import select
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from server.settings import Settings
from tests.proxies import DEPLOY, PREFIX, PROXIES, Certificate, Proxy, proxied
from tests.rotations import Log
from tests.running import PATIENCE, running, wait_until
from tests.test_pages import browser

__all__ = ["browser"]  # a fixture

TRUSTED = ("--trusted-proxy", "127.0.0.1", "--allow-host", "logs.example.org")

KINDS = pytest.mark.parametrize("kind", PROXIES.values(), ids=PROXIES)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


class Curl:
    """curl, which follows a stream and tells each line of it apart."""

    def __init__(self, url: str, *options: str) -> None:
        self.process = subprocess.Popen(
            ["curl", "--silent", "--no-buffer", "--include", *options, url],
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self.process.stdout
        self._output = self.process.stdout
        self._rest = b""

    def wait_for(self, text: str) -> str:
        """All that comes up to a line with `text`, and this line."""
        seen: list[str] = []
        while not seen or text not in seen[-1]:
            while b"\n" not in self._rest:
                readable, _, _ = select.select([self._output], [], [], PATIENCE)
                assert readable, f"curl waits for {text!r}, and has {seen}"
                data = self._output.read(65536)
                assert data, f"the stream has ended before {text!r}: {seen}"
                self._rest += data
            line, self._rest = self._rest.split(b"\n", 1)
            seen.append(line.decode())
        return "\n".join(seen)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()


@contextmanager
def curl(url: str, *options: str) -> Iterator[Curl]:
    one = Curl(url, *options)
    try:
        yield one
    finally:
        one.stop()


UPSTREAM_1_0 = {"proxy_http_version 1.1;": "", 'proxy_set_header Connection "";': ""}

WAYS = [
    (name, version, change)
    for name, change in [
        ("nginx", None),
        ("nginx", UPSTREAM_1_0),
        ("HAProxy", None),
        ("Caddy", None),
    ]
    for version in ("1.1", "2")
]


@pytest.mark.parametrize(
    ("name", "version", "change"),
    WAYS,
    ids=[f"{name}{'-upstream-1.0' if change else ''}-http{v}" for name, v, change in WAYS],
)
def test_each_event_arrives_before_the_next_is_written(
    log: Log,
    tmp_path: Path,
    certificate: Certificate,
    name: str,
    version: str,
    change: dict[str, str] | None,
) -> None:
    trust = ("--cacert", str(certificate.path), f"--http{version}")
    path = "/stream-logs?backlog=0"
    with (
        running(tmp_path, log.path, *TRUSTED) as server,
        proxied(PROXIES[name], tmp_path, certificate, server, change=change) as proxy,
        curl(server.url + path) as direct,
        curl(proxy.url + path, *trust) as through,
    ):
        direct.wait_for("opened")
        head = through.wait_for("opened")
        assert head.startswith(f"HTTP/{version} 200")
        assert "content-encoding" not in head.lower()
        delays = []
        for number in range(20):
            written = time.monotonic()
            log.append(f"event {number}.")
            direct.wait_for(f"event {number}.")
            came = time.monotonic()
            through.wait_for(f"event {number}.")
            delays.append(time.monotonic() - came)
            assert came > written
    assert statistics.median(delays) < 0.1


@KINDS
def test_the_server_hears_of_it_when_a_client_leaves(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    def clients() -> int:
        text = server.get("/metrics")[2].decode()
        match = re.search(r"^riacho_clients (\d+)", text, re.MULTILINE)
        assert match
        return int(match[1])

    with (
        # without a keep-alive comment, whose sending would fail
        running(tmp_path, log.path, *TRUSTED, "--keep-alive", "3600") as server,
        proxied(kind, tmp_path, certificate, server) as proxy,
    ):
        for version in ("--http1.1", "--http2"):
            with curl(f"{proxy.url}/stream-logs", "--insecure", version) as one:
                one.wait_for("opened")
                assert clients() == 1
            wait_until(lambda: clients() == 0, "the stream has ended")


@KINDS
def test_a_client_goes_on_after_proxy_and_server_were_restarted(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    with (
        running(tmp_path, log.path, *TRUSTED) as server,
        proxied(kind, tmp_path, certificate, server) as proxy,
        proxy.following("/stream-logs?from=start") as client,
    ):
        for restart in ("proxy", "server", "server, killed"):
            log.write(20)
            client.wait_for(len(log.lines))
            connects = client.connects
            if restart == "proxy":
                proxy.stop()
                log.write(20)
                proxy.start()
            else:
                server.end() if restart == "server" else server.kill()
                log.write(20)
                server.start()
            log.write(20)
            assert client.wait_for(len(log.lines)) == log.lines, restart
            assert client.connects > connects
        assert client.facts("gap") == []


@KINDS
def test_a_rolling_restart_loses_no_line(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    """Two servers of the same log, restarted one after the other while it is written to."""
    directories = [tmp_path / "first", tmp_path / "second"]
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.005):
            log.write(5)

    with ExitStack() as stack:
        for directory in directories:
            directory.mkdir()
        first, second = (
            stack.enter_context(running(directory, log.path, *TRUSTED)) for directory in directories
        )
        proxy = stack.enter_context(proxied(kind, tmp_path, certificate, first, second))
        path = "/stream-logs?from=start"
        clients = [stack.enter_context(proxy.following(path)) for _ in range(6)]
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for server in (first, second):
                before = [len(client.lines) for client in clients]
                server.end()
                server.start()
                for client, lines in zip(clients, before, strict=True):
                    client.wait_for(lines + 100)
        finally:
            done.set()
            writer.join()
        for client in clients:
            assert client.wait_for(len(log.lines)) == log.lines
            assert client.facts("gap") == []
        assert sum(client.connects for client in clients) >= 2 * len(clients)


@KINDS
def test_one_of_two_servers_is_enough(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    (tmp_path / "second").mkdir()
    with (
        running(tmp_path, log.path, *TRUSTED) as first,
        running(tmp_path / "second", log.path, *TRUSTED) as second,
        proxied(kind, tmp_path, certificate, first, second) as proxy,
    ):
        for server in (first, second):
            server.end()
            assert [proxy.get("/logs")[0] for _ in range(10)] == [200] * 10
            server.start()


@KINDS
def test_event_source_is_told_to_come_back_when_no_server_is_up(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    with (
        running(tmp_path, log.path, *TRUSTED) as server,
        proxied(kind, tmp_path, certificate, server) as proxy,
    ):
        server.end()
        status, headers, body = proxy.get("/stream-logs", Accept="text/event-stream")
        assert (status, headers["Content-Type"]) == (200, "text/event-stream")
        assert body == b"retry: 3000\n\n"
        assert proxy.get("/logs", Accept="*/*")[0] in (502, 503)


FOLLOW = """() => {
    const source = new EventSource("/stream-logs?from=start");
    Object.assign(window, {lines: [], opens: 0, source});
    source.onmessage = (event) => lines.push(event.data);
    source.onopen = () => opens++;
}"""


@KINDS
def test_a_page_outlives_a_time_without_any_server(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy], browser: Browser
) -> None:
    log.write(5)
    with (
        running(tmp_path, log.path, *TRUSTED, "--retry", "300") as server,
        proxied(kind, tmp_path, certificate, server, change={"retry: 3000": "retry: 300"}) as proxy,
        browser.new_context(ignore_https_errors=True) as context,
    ):
        page = context.new_page()
        page.goto(f"{proxy.url}/")
        page.evaluate(FOLLOW)
        page.wait_for_function("() => lines.length === 5")
        server.end()
        log.write(5)
        page.wait_for_function("() => opens >= 3")
        server.start()
        page.wait_for_function("() => lines.length >= 10")
        assert page.evaluate("() => lines") == log.lines


@KINDS
def test_a_host_is_shared_below_a_path(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    log.write(3)
    with (
        running(tmp_path, log.path, *TRUSTED, "--prefix", PREFIX) as server,
        proxied(kind, tmp_path, certificate, server, change=kind.below) as proxy,
        proxy.following(f"{PREFIX}/stream-logs") as client,
    ):
        assert client.wait_for(3) == log.lines
        assert proxy.get(f"{PREFIX}/")[0] == 200
        assert b"there is nothing at" not in proxy.get("/logs")[2]  # which is the server's answer


@KINDS
def test_clients_keep_their_address_and_their_token(
    log: Log, tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    """The server knows them by `X-Forwarded-For`; the proxy's access log knows no token."""
    path = "/stream-numbers?to=1&token=a-secret-of-this-test"
    with (
        running(tmp_path, log.path, *TRUSTED, "--token", "a-secret-of-this-test") as server,
        proxied(kind, tmp_path, certificate, server) as proxy,
    ):
        status, _, body = proxy.get(path, source="127.0.0.2")
        assert (status, b"data: 1" in body) == (200, True)
        wait_until(lambda: "to 127.0.0.2:" in server.errors(), "the address of the client")
        page = proxy.get("/?token=a-secret-of-this-test", Accept="text/html")
        assert "Secure" in page[1]["Set-Cookie"]  # for the server knows of the proxy's TLS
        proxy.stop()
        logs = [file.read_text() for file in proxy.cwd.iterdir() if file.is_file()]
    if kind.file != "Caddyfile":  # which has no access log
        assert any("GET /stream-numbers" in text for text in logs)
    assert not any("a-secret-of-this-test" in text for text in logs)


@KINDS
def test_the_proxy_itself_finds_nothing_wrong(
    tmp_path: Path, certificate: Certificate, kind: type[Proxy]
) -> None:
    class Nobody:
        port = 9

    with proxied(kind, tmp_path, certificate, Nobody(), Nobody()) as proxy:  # type: ignore[arg-type]
        proxy.check()


# --- systemd ----------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["riacho.service", "riacho@8001.service"])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, unit: str) -> None:
    text = (DEPLOY / "riacho.service").read_text()
    program = "/opt/riacho/bin/riacho"
    assert program in text
    text = text.replace(program, shutil.which("true") or "")  # it has to be there
    if "@" in unit:
        assert "RIACHO_PORT=8001" in text
        text = text.replace("RIACHO_PORT=8001", "RIACHO_PORT=%i")
    path = tmp_path / unit
    path.write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_unit_exposes_little(tmp_path: Path) -> None:
    """By systemd's own measure, from 0 (safe) to 10."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=15"]
    judged = subprocess.run(
        [*command, str(DEPLOY / "riacho.service")], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout


def test_each_variable_of_the_unit_is_a_setting() -> None:
    text = (DEPLOY / "riacho.service").read_text()
    names = re.findall(r"RIACHO_(\w+)=", text)
    assert names
    assert all(name == "CONFIG" or hasattr(Settings(), name.lower()) for name in names)
