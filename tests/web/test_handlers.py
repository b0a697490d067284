"""What goes over the wire, of a real server."""

import http.client
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.event_stream import Parsed, parse
from tests.running import PATIENCE, Client, Server, following, is_gone, running, wait_until

LOG = "".join(f"line {n}\n" for n in range(100))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("handlers")
    (path / "app.log").write_text(LOG)
    arguments = ["--keep-alive", "0.2", "--retry", "1234", "--allow-origin", "https://a.example"]
    with running(path, path / "app.log", *arguments) as server:
        yield server


def exchange(server: Server, request: str, until: bytes) -> bytes:
    """The raw bytes of a response, up to and with `until`, or to its end."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(request.encode())
        data = b""
        while until not in data and (more := connection.recv(65536)):
            data += more
    return data


def test_a_stream_s_headers(server: Server) -> None:
    with following(server) as client:
        assert client.status == 200
        headers = {name.lower(): value for name, value in client.headers.items()}
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in headers


def test_the_first_bytes_are_retry_and_a_comment_at_once(server: Server) -> None:
    data = exchange(
        server, "GET /stream-logs?backlog=0 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"opened"
    )
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert body.split(b"\r\n")[1].startswith(b"retry: 1234\n: ")


def test_http_1_0_gets_the_same_bytes_unchunked(server: Server) -> None:
    data = exchange(server, "GET /stream-logs?backlog=1 HTTP/1.0\r\n\r\n", b"line 99\n\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert re.fullmatch(rb"retry: 1234\n: .*\nid: \S+\ndata: line 99\n\n", body)


def test_silence_is_broken_by_comments(server: Server) -> None:
    with following(server, "/stream-logs?backlog=0") as client:
        wait_until(lambda: client.parser.comments > 3, "keep-alive comments")
        assert client.lines == []


def test_an_event_does_not_wait_for_the_client_to_acknowledge_the_one_before(
    server: Server,
) -> None:
    """As it would with Nagle's algorithm (RFC 9293, section 3.7.4), up to 40 ms on Linux."""

    def pieces() -> int:
        count, data = 0, b""
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
            connection.sendall(b"GET /stream-numbers?to=20&interval=0.02 HTTP/1.0\r\n\r\n")
            while b"close" not in data:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
                data = connection.recv(65536)
                count += 1
        return count

    assert any(pieces() > 16 for _ in range(5))


def test_head_gives_the_headers_of_a_stream_and_no_more(server: Server) -> None:
    host = "HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = f"HEAD /stream-logs {host}GET /logs {host}"
    first, second = exchange(server, request, b"}]}").split(b"\r\n\r\n", 1)
    assert b"text/event-stream" in first
    assert second.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "path",
    ["/", "/riacho.js", "/healthz", "/logs", "/logs/app.log", "/metrics", "/slow-numbers", "/none"],
)
def test_head_gives_what_get_does_without_its_content(server: Server, path: str) -> None:
    """RFC 9110, section 9.3.2. The connection goes on after it."""

    def ask(method: str) -> tuple[int, str | None, str | None]:
        connection.request(method, path)
        response = connection.getresponse()
        content = response.read()
        assert bool(content) is (method == "GET")
        length = response.headers["Content-Length"] if path != "/metrics" else None
        return response.status, response.headers["Content-Type"], length

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    first, second, whole = ask("HEAD"), ask("HEAD"), ask("GET")
    connection.close()
    assert first == second == whole


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/logs", "localhost", 200),
        ("HTTP://localhost:80/logs?x=1", "localhost", 200),
        ("http://localhost", "localhost", 200),
        ("http://localhost?lang=pt", "localhost", 200),
        ("http://localhost/logs", "elsewhere.example", 200),
        ("http://elsewhere.example/logs", "localhost", 403),
        ("http://user@localhost/logs", "localhost", 400),
        ("http:///logs", "localhost", 403),
        ("ftp://localhost/logs", "localhost", 404),
    ],
)
def test_a_whole_url_may_be_asked_for_and_its_host_counts(
    server: Server, target: str, host: str, status: int
) -> None:
    """RFC 9112, section 3.2.2: the header `Host` says nothing then."""
    request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert int(exchange(server, request, b"nothing stops it").split()[1]) == status


def test_a_preflight_request_is_answered(server: Server) -> None:
    request = (
        "OPTIONS /stream-logs HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n"
        "Connection: close\r\n\r\n"
    )
    response = exchange(server, request, b"nothing stops it")
    assert response.startswith(b"HTTP/1.1 204 ")
    assert b"Access-Control-Allow-Origin: https://a.example\r\n" in response
    assert b"Last-Event-ID" in response


@pytest.mark.parametrize("path", ["/stream-numbers?to=1&interval=0", "/logs"])
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://a.example", "https://a.example"), ("https://b.example", None), ("null", None)],
)
def test_only_pages_of_allowed_origins_may_read_a_real_log(
    server: Server, path: str, origin: str, allowed: str | None
) -> None:
    _, headers, _ = server.get(path, Origin=origin)
    assert headers["Access-Control-Allow-Origin"] == allowed
    assert headers["Vary"] == "Origin"


def test_any_page_may_read_the_demo(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        _, headers, _ = demo.get("/logs", Origin="null")
        assert headers["Access-Control-Allow-Origin"] == "*"


# --- logs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", LOG.splitlines()[-10:]),
        ("backlog=3", LOG.splitlines()[-3:]),
        ("backlog=100", LOG.splitlines()),
        ("backlog=1000000", LOG.splitlines()),
        ("from=start", LOG.splitlines()),
        ("backlog=1", LOG.splitlines()[-1:]),
    ],
)
def test_a_stream_begins_where_it_is_asked_to(server: Server, query: str, lines: list[str]) -> None:
    with following(server, f"/stream-logs?{query}") as client:
        assert client.wait_for(len(lines)) == lines


def test_a_stream_goes_on_after_the_last_event_id(server: Server) -> None:
    with following(server, "/stream-logs?backlog=100") as client:
        client.wait_for(100)
        ids = [event.id for event in client.events]
    for index in (0, 50, 97):
        expected = LOG.splitlines()[index + 1 :]
        with following(server, last_event_id=ids[index]) as client:
            assert client.wait_for(len(expected)) == expected
        with following(server, f"/stream-logs?last_event_id={ids[index]}&backlog=1") as client:
            assert client.wait_for(len(expected)) == expected
        # the header wins
        path = f"/stream-logs?last_event_id={ids[0]}"
        with following(server, path, last_event_id=ids[index]) as client:
            assert client.wait_for(len(expected)) == expected


@pytest.mark.parametrize(
    "id", ["garbage", "7", "7-0-0", "ffffffffffffffff-1-1", "-1", "ção", "x" * 5000, "0" * 60]
)
def test_an_id_that_is_not_in_the_log_gets_a_gap_and_the_oldest_line(
    server: Server, id: str
) -> None:
    with following(server, last_event_id=id.encode().decode("latin-1")) as client:
        assert client.wait_for(100) == LOG.splitlines()
        [gap] = client.facts("gap")
        assert client.events[0].type == "gap"
        assert gap["from"] == id
        after_gap = client.events[0].id
        assert gap["to"] == after_gap
    with following(server, last_event_id=after_gap) as client:
        assert client.wait_for(100) == LOG.splitlines()
        assert client.facts("gap") == []


@pytest.mark.parametrize(
    "query",
    [
        "backlog=-1",
        "backlog=x",
        "backlog=1e3",
        "backlog=99999999999",
        "backlog=1_0",
        "backlog=٣",
        "from=middle",
    ],
)
def test_a_bad_query_is_a_400_that_says_why(server: Server, query: str) -> None:
    name, value = query.split("=")
    status, headers, body = server.get(f"/stream-logs?{name}={quote(value)}")
    assert status == 400
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert name in body.decode()
    assert value in body.decode()


def test_logs_tells_what_is_served(server: Server) -> None:
    [log] = server.json("/logs")["logs"]
    assert log["name"] == "app.log"
    assert log["size"] == len(LOG)
    assert log["generations"] == 1
    with following(server, last_event_id=log["start"]) as client:
        assert client.wait_for(100)[0] == "line 0"
        assert client.last_event_id == log["end"]


# --- the raw log ------------------------------------------------------------------

RAW = bytes(range(256)) * 5000 + b"no newline at the end"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("raw")
    (path / "raw.log").write_bytes(RAW)
    with running(path, path / "raw.log") as server:
        yield server


@pytest.mark.parametrize(
    ("header", "status", "first", "last"),
    [
        (None, 200, 0, len(RAW)),
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, len(RAW)),
        ("bytes=-21", 206, len(RAW) - 21, len(RAW)),
        ("bytes=-99999999999", 200, 0, len(RAW)),
        ("bytes=5-99999999999", 206, 5, len(RAW)),
        ("bytes=7-7", 206, 7, 8),
        ("bytes=9-5", 200, 0, len(RAW)),
        ("bytes=0-1,5-6", 200, 0, len(RAW)),
        ("lines=0-1", 200, 0, len(RAW)),
        ("bytes=-", 200, 0, len(RAW)),
        ("bytes=99999999999-", 416, 0, 0),
        ("bytes=9999999999999999999-", 416, 0, 0),
        (f"bytes={'9' * 5000}-", 416, 0, 0),
        (f"bytes=5-{'9' * 5000}", 206, 5, len(RAW)),
        (f"bytes=-{'9' * 5000}", 200, 0, len(RAW)),
        ("bytes=00000000000000000007-00000000000000000007", 206, 7, 8),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_the_raw_log_is_the_very_bytes(
    raw: Server, header: str | None, status: int, first: int, last: int
) -> None:
    got, headers, body = raw.get("/logs/raw.log", **({"Range": header} if header else {}))
    assert (got, body) == (status, RAW[first:last])
    if status == 206:
        assert headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(RAW)}"
    if status == 416:
        assert headers["Content-Range"] == f"bytes */{len(RAW)}"


@pytest.mark.parametrize("name", ["other.log", "..%2fraw.log", "%2e%2e", "raw.log.1", "raw.log%00"])
def test_no_other_file_is_opened(raw: Server, name: str) -> None:
    assert raw.get(f"/logs/{name}")[0] == 404


# --- numbers ----------------------------------------------------------------------

CLOSE = '{"reason": "finished", "last": %d}'


@pytest.mark.parametrize(
    ("query", "last_id", "numbers"),
    [
        ("interval=0", "", range(1, 11)),
        ("from=3&to=5&interval=0.01", "", range(3, 6)),
        ("from=-1&to=1&interval=0", "", range(-1, 2)),
        ("from=7&to=7&interval=0", "", range(7, 8)),
        ("from=%2B7&to=9&interval=1e-3", "", range(7, 10)),
        ("from=8&to=9&interval=.0", "", range(8, 10)),
        ("interval=0", "4", range(5, 11)),
        ("from=-3&to=0&interval=0", "-2", range(-1, 1)),
    ],
)
def test_numbers_are_counted_then_closed(
    server: Server, query: str, last_id: str, numbers: range
) -> None:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    status, _, body = server.get(f"/stream-numbers?{query}", **headers)
    assert status == 200
    assert parse(body) == [
        *(Parsed(str(number), str(number)) for number in numbers),
        Parsed(CLOSE % numbers[-1], str(numbers[-1]), "close"),
    ]


def test_numbers_keep_their_interval(server: Server) -> None:
    started = time.monotonic()
    server.get("/stream-numbers?to=5&interval=0.1")
    assert time.monotonic() - started >= 0.4


def test_a_reconnect_after_the_end_is_told_to_stop(server: Server) -> None:
    status, _, body = server.get("/stream-numbers?to=3", **{"Last-Event-ID": "3"})
    assert (status, body) == (204, b"")
    with following(server, "/stream-numbers?to=3&interval=0") as client:
        wait_until(lambda: client.finished, "the end")
        assert client.lines == ["1", "2", "3"]


@pytest.mark.parametrize("id", ["x", "11", "0", "1.5", "9" * 30, "٣", "--1"])
def test_an_id_that_is_no_number_of_the_stream_gets_a_gap(server: Server, id: str) -> None:
    header = id.encode().decode("latin-1")
    status, _, body = server.get("/stream-numbers?interval=0", **{"Last-Event-ID": header})
    events = parse(body)
    assert status == 200
    assert events[0].type == "gap"
    assert [event.data for event in events[1:-1]] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize(
    "query",
    [
        "from=x", "to=", "from=5&to=4", "interval=-1", "interval=nan", "interval=inf",
        "interval=1e9", "interval=1_0", "interval=%D9%A3", "from=1_0", "to=1e3",
        "to=99999999999999999999", "from=1.5", "interval=x",
        "to=" + "9" * 5000, "to=%25s", "to=3%0aWARNING",
    ],
)  # fmt: skip
def test_bad_numbers_are_a_400_that_says_why(server: Server, query: str) -> None:
    status, headers, body = server.get(f"/stream-numbers?{query}")
    assert status == 400
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert body.count(b"\n") == 1
    assert re.match(rb"(from|to|interval)=", body)


def test_the_slow_page_arrives_in_pieces(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(b"GET /slow-numbers HTTP/1.1\r\nHost: localhost\r\n\r\n")
        arrived, data = [], b""
        while b"0\r\n\r\n" not in data[-5:]:
            data += connection.recv(65536)
            arrived.append((time.monotonic(), data.count(b"<li>")))
    assert b"Content-Type: text/html; charset=utf-8" in data
    assert [count for _, count in arrived][-1] == 10
    assert len({count for _, count in arrived}) == 11
    assert arrived[-1][0] - arrived[0][0] > 4


# --- coming and going -------------------------------------------------------------


def connections(server: Server) -> list[object]:
    """The connections that the server has open."""
    return [other for other in server.proc.net_connections() if other.raddr]


def resources(server: Server) -> int:
    """How many descriptors the server has open."""
    return server.proc.num_fds()


@pytest.mark.parametrize("path", ["/stream-logs", "/stream-numbers?to=1000", "/slow-numbers"])
def test_nothing_is_left_of_a_client_that_goes(server: Server, path: str) -> None:
    wait_until(lambda: not connections(server), "a server at rest")
    before = resources(server)
    clients = [Client(server.url + path, reconnect=False) for _ in range(20)]
    for client in clients:
        wait_until(client.opened.is_set, "the first bytes")
    assert len(connections(server)) == 20
    for client in clients:
        client.drop()
    wait_until(lambda: resources(server) <= before, "the descriptors at rest", 2)


@pytest.mark.parametrize("path", ["/stream-logs", "/stream-numbers?to=1000", "/slow-numbers"])
def test_nothing_is_left_of_a_client_that_is_gone_at_once(server: Server, path: str) -> None:
    wait_until(lambda: not connections(server), "a server at rest")
    before = resources(server)
    errors = len(server.errors())
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        connection.close()  # a reset, not an end
    wait_until(lambda: resources(server) <= before and not connections(server), "rest", 5)
    assert "Traceback" not in server.errors()[errors:]


@pytest.mark.parametrize("path", ["/stream-logs", "/stream-numbers?to=1000", "/slow-numbers"])
def test_shutting_down_ends_every_body_cleanly(tmp_path: Path, path: str) -> None:
    server = Server(tmp_path)
    client = Client(server.url + path, reconnect=False)
    wait_until(client.opened.is_set, "the first bytes")
    tail = server.tail()
    raw = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    raw.recv(100)
    stalled = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.sendall(
        b"GET /stream-numbers?to=1000000&interval=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    started = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - started < 2
    with raw:
        data = b"".join(iter(lambda: raw.recv(65536), b""))
    stalled.close()
    assert data.endswith(b"0\r\n\r\n")
    if path != "/slow-numbers":
        assert b"event: shutdown\ndata: {}\n\n" in data
        wait_until(lambda: not client.is_alive(), "the end of the stream")
        assert client.events[-1].type == "shutdown"
    wait_until(lambda: is_gone(tail), "the end of tail", 1)


def test_clients_that_take_nothing_do_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes((b"x" * 99 + b"\n") * 200_000)
    with running(tmp_path, log) as server, ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(following(server, "/stream-logs?from=start"))
            client.stall()
        begun = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - begun < 10
    # and, as after every test, there is no traceback in its log


def test_no_tail_outlives_a_server_that_was_killed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    tail = server.tail()
    server.kill()
    wait_until(lambda: is_gone(tail), "the end of tail", 2)


def test_one_tail_serves_all_clients(server: Server) -> None:
    clients = [Client(server.url + "/stream-logs") for _ in range(20)]
    for client in clients:
        client.wait_for(10)
    assert len(server.tails()) == 1
    for client in clients:
        client.stop()


def test_pages_are_served_and_nothing_else(server: Server) -> None:
    for path in ("/", "/index.html", "/client_listen_logs.html", "/client_listen_number.html"):
        status, headers, _ = server.get(path)
        assert status == 200
        assert headers.get_content_type() == "text/html"
        assert headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/../pyproject.toml", "/app.log", "/%2e%2e/server/app.py", "//etc/passwd"):
        assert server.get(path)[0] == 404
