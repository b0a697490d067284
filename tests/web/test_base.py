"""What all handlers have in common: methods, bad queries, errors in plain text."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from tests.running import PATIENCE, Server, running
from tests.web.test_access import ROUTES


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("base")
    (path / "app.log").write_text("one\n")
    with running(path, path / "app.log") as server:
        yield server


def ask(server: Server, method: str, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [path for path, kind in ROUTES.items() if kind != "nothing"])
def test_a_method_that_is_not_answered_is_told_those_that_are(
    server: Server, path: str, method: str
) -> None:
    status, headers, body = ask(server, method, path)
    assert status == 405
    allowed = headers["Allow"].split(", ")
    assert sorted(allowed) == ["GET", "HEAD", "OPTIONS"]
    assert ask(server, "HEAD", path)[0] == 200
    assert body == b"Method Not Allowed\n"


BAD_QUERIES = [
    "/stream-logs?backlog=x",
    "/stream-logs?from=middle",
    "/stream-logs?last_event_id=1-1-1&lastEventId=2-2-2",
    "/stream-numbers?to=x",
    "/stream-numbers?from=5&to=4",
    "/stream-numbers?interval=nan",
]


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_a_bad_query_is_a_400_for_head_as_for_get(server: Server, path: str) -> None:
    status, headers, body = ask(server, "HEAD", path)
    assert (status, body) == (400, b"")
    get_status, get_headers, get_body = ask(server, "GET", path)
    assert get_status == 400
    assert get_body.count(b"\n") == 1
    for name in ("Content-Type", "Content-Length"):
        assert headers[name] == get_headers[name]


@pytest.mark.parametrize("path", [path for path, kind in ROUTES.items() if kind != "nothing"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_http_1_0_client_is_not_told_of_chunks_that_it_does_not_know(
    server: Server, path: str, version: str
) -> None:
    """RFC 9112, section 6.1."""
    request = f"HEAD {path} HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(request.encode())
        data = b""
        while more := connection.recv(65536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    assert body == b""
    is_stream = path.startswith("/stream")
    assert (b"\r\nTransfer-Encoding: " in head) is (is_stream and version == "1.1")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/stream-logs?from=100%25", 400, "from='100%' is not known"),
        ("/stream-logs?backlog=100%25", 400, "backlog='100%' is not a whole number"),
        ("/stream-numbers?to=%25s%25d", 400, "to='%s%d' is not a whole number"),
        ("/stream-numbers?interval=100%25", 400, "interval='100%' is not a number"),
        ("/logs/100%25", 404, "there is no log '100%'"),
        ("/logs/%25s", 404, "there is no log '%s'"),
    ],
)
def test_a_percent_sign_stands_in_an_error_as_it_was_sent(
    server: Server, path: str, status: int, text: str
) -> None:
    got, _, body = ask(server, "GET", path)
    assert got == status
    assert body.decode().startswith(text)
    assert "Traceback" not in server.errors()
