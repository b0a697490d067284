"""The server's own log: what it says, that it is one line each, and that it keeps secrets."""

import json
import logging
import re
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from server.reporting import JsonFormatter, SecretFilter, Throttle, printable, without_secrets
from tests.running import PATIENCE, Client, Server, following, running, wait_until

TOKEN = "correct-horse%2Bbattery"
"""With what looks percent-encoded in it."""


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/logs?token=abc", "/logs?token=..."),
        ("/logs?a=1&token=abc&b=2", "/logs?a=1&token=...&b=2"),
        ("/logs?TOKEN=abc", "/logs?TOKEN=..."),
        ("/logs?%74oken=abc", "/logs?%74oken=..."),
        ("/logs?%74%6F%6b%65%6E=a%26b", "/logs?%74%6F%6b%65%6E=..."),
        ("/logs?token=a'b#c", "/logs?token=..."),
        ("/logs?token=a&token=b", "/logs?token=...&token=..."),
        ("uri='/?token=abc', version", "uri='/?token=... version"),
        ("Authorization: Bearer abc", "Authorization: Bearer ..."),
        ("Invalid header value 'bearer  abc'", "Invalid header value 'bearer  ..."),
        ("Cookie: a=b; riacho-8000=2|1:0|x; c=d", "Cookie: a=b; riacho-8000=...; c=d"),
        ("Invalid cookie signature '2|1:0|10:17|11:riacho-80|4:aW4=|0ab'", None),
        ("/stream-logs?backlog=3", "/stream-logs?backlog=3"),
        ("a forbearer of tokens", "a forbearer ... tokens"),  # rather too much than too little
    ],
)
def test_what_lets_a_client_in_is_left_out(text: str, clean: str | None) -> None:
    assert without_secrets(text) == (clean or "Invalid cookie signature '...'")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ção 🌊", "plain ção 🌊"),
        ("a\nERROR forged", "a\\nERROR forged"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\u202eleft\u2028line\x85", "\\u202eleft\\u2028line\\x85"),
        ("\x00\ud800", "\\x00\\ud800"),
        ("b\udcff\udc80.log", "b\\xff\\x80.log"),
    ],
)
def test_nothing_passes_for_another_line(text: str, shown: str) -> None:
    assert printable(text) == shown


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("name", level, "path", 1, message, args, None)


def test_messages_are_bounded() -> None:
    one = record("%s", "a" * 100_000)
    SecretFilter(None).filter(one)
    assert len(one.getMessage()) < 1100


def test_tracebacks_and_facts_are_clean_too() -> None:
    try:
        raise ValueError(f"no {TOKEN} here, nor ?token=another")
    except ValueError as error:
        one = record("failed with %s", TOKEN)
        one.exc_info = (type(error), error, error.__traceback__)
    one.facts = {"path": f"/a/{TOKEN}", "ms": 3}
    SecretFilter(TOKEN).filter(one)
    for formatter in (JsonFormatter(), logging.Formatter("%(message)s")):
        text = formatter.format(one)
        assert TOKEN not in text
        assert "another" not in text
        assert "ValueError" in text
    assert json.loads(JsonFormatter().format(one))["ms"] == 3


def test_a_throttle_lets_one_of_a_level_pass_and_counts_the_others() -> None:
    throttle = Throttle(seconds=3600)
    assert throttle.filter(record("first"))
    assert [throttle.filter(record("next")) for _ in range(5)] == [False] * 5
    assert throttle.filter(record("other", level=logging.ERROR))
    throttle.seconds = 0
    last = record("last %d", 1)
    assert throttle.filter(last)
    assert last.getMessage() == "last 1 (and 5 more like it)"


# --- a real server ----------------------------------------------------------------


def logged(server: Server, text: str) -> bool:
    return text in server.errors()


def lines_of(server: Server, pattern: str) -> list[str]:
    return re.findall(pattern, server.errors(), re.MULTILINE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("".join(f"line {number}\n" for number in range(100)))
    return path


def raw(server: Server, request: bytes) -> int:
    """How many bytes the body has, of a stream that ends."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(request)
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    return len(data.partition(b"\r\n\r\n")[2])


def test_a_stream_s_line_says_who_from_where_how_much_how_long_and_why(log: Path) -> None:
    with running(log.parent, log) as server:
        with following(server, "/stream-logs?backlog=100") as client:
            client.wait_for(100)
            id = client.events[49].id
        with following(server, last_event_id=id) as client:
            client.wait_for(50)
        with following(server, last_event_id="never-given-out") as client:
            client.wait_for(100)
        server.get("/stream-numbers?to=3&interval=0")
        stays = Client(server.url + "/stream-logs?backlog=0", reconnect=False)
        wait_until(stays.opened.is_set, "the stream")
        assert server.end() == 0
    streams = lines_of(server, r"^\S+ \S+ INFO (/stream.*)$")
    counts = r"events {}, bytes \d+, seconds \d+\.\d; {}"
    expected = [
        (r"/stream-logs\?backlog=100", "from 0-0-0", 100, "client left"),
        (r"/stream-logs\?", f"after {id}, from {id}", 50, "client left"),
        (r"/stream-logs\?", "after never-given-out, from 0-0-0", 101, "client left"),
        (r"/stream-numbers\?to=3&interval=0", "from 0", 4, "finished"),
        (r"/stream-logs\?backlog=0", r"from [\w-]+", 0, "server stopped"),
    ]
    assert len(streams) == len(expected)
    for line, (path, place, events, why) in zip(streams, expected, strict=True):
        told = f"{place}, " * bool(place) + counts.format(events, why)
        assert re.fullmatch(rf"{path} to 127\.0\.0\.1: {told}", line), line


def test_bytes_are_those_of_the_body_after_its_opening(log: Path) -> None:
    opening = len(b"retry: 3000\n: stream opened\n")
    with running(log.parent, log) as server:
        for version, framing in ((b"1.0", 0), (b"1.1", len(b"1c\r\n\r\n"))):
            path = b"/stream-numbers?to=1000&interval=0"
            request = b"GET %b HTTP/%b\r\nHost: localhost\r\n\r\n" % (path, version)
            size = raw(server, request) - opening - framing
            wait_until(partial(logged, server, f"bytes {size},"), f"{size} bytes")


def test_the_log_as_json_has_the_same_facts(log: Path) -> None:
    with running(log.parent, "--log-format", "json", log) as server:
        with following(server, "/stream-logs?backlog=7") as client:
            client.wait_for(7)
        server.get("/logs")
        server.get("/nothing%0aERROR")
        wait_until(lambda: '"why"' in server.errors(), "the stream's line")
    records = [json.loads(line) for line in server.errors().splitlines()]
    assert all({"time", "level", "message"} <= record.keys() for record in records)
    assert all(re.fullmatch(r"\d{4}-..-..T..:..:..\.\d{3}Z", one["time"]) for one in records)
    [stream] = [record for record in records if "why" in record]
    assert stream["client"] == "127.0.0.1"
    assert stream["path"] == "/stream-logs?backlog=7"
    assert (stream["events"], stream["why"]) == (7, "client left")
    assert stream["bytes"] > 7 * 20
    assert re.fullmatch("[0-9a-f]+-[0-9a-f]+-[0-9a-f]+", stream["from"])
    statuses = {(one.get("method"), one.get("path"), one.get("status")) for one in records}
    assert {("GET", "/logs", 200), ("GET", "/nothing%0aERROR", 404)} <= statuses


def test_the_client_is_the_one_for_whom_a_trusted_proxy_calls(log: Path) -> None:
    with running(log.parent, "--trusted-proxy", "127.0.0.1", log) as server:
        server.get("/logs", **{"X-Forwarded-For": "6.6.6.6, 203.0.113.7"})
        server.get("/stream-numbers?to=1&interval=0", **{"X-Forwarded-For": "203.0.113.8"})
        wait_until(lambda: "finished" in server.errors(), "the stream's line")
    assert "from 203.0.113.7 in" in server.errors()
    assert "to 203.0.113.8:" in server.errors()
    assert "6.6.6.6" not in server.errors()


def test_no_way_to_send_a_token_brings_it_into_the_log(log: Path) -> None:
    wrong = "nearly-the-right-one"
    with running(log.parent, log, env={"RIACHO_TOKEN": TOKEN}) as server:
        encoded = TOKEN.replace("%", "%25")
        every_character = "".join(f"%{ord(char):02x}" for char in TOKEN)
        _, headers, _ = server.get(f"/?token={encoded}", Accept="text/html")
        cookie = headers["Set-Cookie"].partition(";")[0]
        paths = ["/", "/index.html", "/logs", "/stream-numbers", "/nothing", "/logs/none", "//"]
        secrets = [encoded, every_character, wrong, f"{encoded}&token={wrong}"]
        for path in paths:
            for secret in secrets:
                for name in ("token", "TOKEN", "%74oken", "t%6Fken"):
                    server.status(f"{path}?a=b&{name}={secret}")
            server.status(path, Authorization=f"Bearer {TOKEN}")
            server.status(path, Authorization=f"Bearer {wrong}")
            server.status(path, Cookie=cookie)
            server.status(path, Cookie=f"{cookie}x")
            server.status(path, Referer=f"http://localhost/?token={encoded}")
            server.status(path, **{"Last-Event-ID": TOKEN})
        for request in (
            f"GET /?token={encoded} HTTP/9\r\n\r\n",
            f"GET /?token={encoded} x HTTP/1.1\r\n\r\n",
            f"GET / HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\x01\r\n\r\n",
            f"GET / HTTP/1.1\r\nAuthorization Bearer {TOKEN}\r\n\r\n",
            f"GET / HTTP/1.1\r\nAuthorization Bearer {wrong}: x\r\n\r\n",
            f"GET / HTTP/1.1\r\nX {TOKEN}: x\r\n\r\n",
            f"GET / HTTP/1.1\r\nCookie: {cookie}\x01\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: {TOKEN} {TOKEN}\r\n\r\n",
            f"GET /{encoded} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET /?token={encoded}&x=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"{TOKEN} /?token={encoded} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
                connection.sendall(request.encode())
                with suppress(ConnectionError):
                    connection.recv(4096)
    text = server.errors()
    assert "?token=..." in text
    for secret in (TOKEN, encoded, every_character, wrong, cookie.partition("=")[2]):
        assert secret not in text, [line for line in text.splitlines() if secret in line]


def test_refusals_are_a_line_a_second_at_the_most(log: Path) -> None:
    with running(log.parent, log, env={"RIACHO_TOKEN": TOKEN}) as server:
        for _ in range(500):
            assert server.status("/logs") == 401
        seconds = set(lines_of(server, r"^(\S+ \S+),\d+ INFO 401 "))
        assert len(lines_of(server, " 401 ")) <= len(seconds) + 1
