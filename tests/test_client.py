"""The Python client: what EventSource would make of a stream, and how it comes back."""

import base64
import gzip
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from server.client import LONGEST_RETRY, Follower, StreamRefusedError, follow
from server.sse.event import Event
from tests.descriptors import held
from tests.event_stream import Parsed, Parser
from tests.relay import Forward, Pieces, relaying
from tests.running import PATIENCE, Server, running, wait_until

NPM = Path(__file__).parent / "npm"

STREAMS = {
    "events of one line": b"data: one\n\ndata: two\n\n",
    "a line end of each kind": b"data: one\r\n\r\ndata: two\r\rdata: three\n\n",
    "mixed line ends": b"data: one\n\rdata: two\r\n\ndata: three\r\ndata: four\n\r\n",
    "a last event that ends in CR alone": b"data: one\r\rdata: two\r\r",
    "a last event that ends in CR and LF": b"data: one\r\n\r\ndata: two\r\n\r\n",
    "several lines of data": b"data: one\ndata\ndata:two\ndata:  three\n\n",
    "empty data": b"data\n\ndata:\n\ndata: \n\n",
    "an id that stays": b"id: 1\ndata: one\n\ndata: two\n\nid: 2\n\ndata: three\n\n",
    "an id that is reset": b"id: 1\ndata: one\n\nid\ndata: two\n\n",
    "an id with NUL": b"id: 1\ndata: one\n\nid: 2\x003\ndata: two\n\n",
    "names": b"event: a\ndata: one\n\ndata: two\n\nevent: b\nevent: c\ndata: three\n\n",
    "a name without data": b"event: a\n\ndata: one\n\n",
    "comments": b": hello\n\n:\ndata: one\n: within\ndata: two\n\n",
    "unknown fields": b"date: one\ndata: two\n data: three\nDATA: four\n \n\n",
    "retry": b"retry: 10\n\nretry: x\nretry: 1x\nretry: -1\nretry\ndata: one\n\n",
    "retry within a stream": b"data: one\nretry: 0020\n\nretry:30\n",
    "a byte order mark": b"\xef\xbb\xbfdata: one\n\n\xef\xbb\xbfdata: two\n\n",
    "no UTF-8": b"data: \xff\xfe one\xe2\x82\n\ndata: \xf0\x9f\x8c\x8a \xe2\x80\xa8 \xc2\x85\n\n",
    "an event that is not finished": b"data: one\n\nid: 2\ndata: two\n",
    "a line that is not finished": b"data: one\n\ndata: tw",
    "nothing": b"",
}


def events_of(stream: bytes) -> tuple[list[Parsed], str, int | None]:
    """What the specification makes of a stream: events, last event id, retry."""
    parser = Parser()
    return parser.feed(stream), parser.last_event_id, parser.retry


def parsed(events: list[Event]) -> list[Parsed]:
    return [Parsed(event.data or "", event.id or "", event.name or "message") for event in events]


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_means_the_same_wherever_it_is_cut(stream: bytes) -> None:
    expected, last_event_id, retry = events_of(stream)
    cuts = [[stream[:cut], stream[cut:]] for cut in range(len(stream) + 1)]
    for chunks in (*cuts, [stream[index : index + 1] for index in range(len(stream))]):
        follower = Follower("http://127.0.0.1/")
        assert parsed(list(follower.parse(chunks))) == expected
        assert follower.last_event_id == last_event_id
        assert follower.retry == (3000 if retry is None else retry)


def test_npm_s_eventsource_parser_finds_the_same_events() -> None:
    """It reports the id that an event itself has; that it stays is for its users to see to."""
    # at the end of a stream, theirs waits for a LF after a CR
    streams = [stream for stream in STREAMS.values() if not stream.endswith(b"\r")]
    result = subprocess.run(
        ["node", "parse_stdin.js"],
        cwd=NPM,
        input=json.dumps([base64.b64encode(stream).decode() for stream in streams]),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    for stream, theirs in zip(streams, json.loads(result.stdout), strict=True):
        ours = parsed(list(Follower("http://127.0.0.1/").parse([stream])))
        assert [(one["data"], one["event"] or "message") for one in theirs] == [
            (event.data, event.type) for event in ours
        ]
        for one, event in zip(theirs, ours, strict=True):
            assert one["id"] in (None, event.id)


@pytest.mark.parametrize("lines", [1, 99, 100, 101, 250])
def test_an_event_of_many_lines_is_one_event(lines: int) -> None:
    data = [f"line {number}" for number in range(lines)]
    stream = "event: many\n" + "".join(f"data: {line}\n" for line in data) + "\ndata: next\n\n"
    got = parsed(list(Follower("http://127.0.0.1/").parse([stream.encode()])))
    assert got == [Parsed("\n".join(data), "", "many"), Parsed("next")]


def characters_made(stream: Iterable[bytes]) -> int:
    """How many characters and bytes all functions put into their variables to parse `stream`.

    This counts what is copied, on any machine alike: each new value of a variable is a copy.
    """
    made = 0
    held: dict[tuple[FrameType, str], object] = {}

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal made
        for name, value in frame.f_locals.items():
            if isinstance(value, str | bytes) and held.get((frame, name)) is not value:
                held[frame, name] = value
                made += len(value)
        return trace

    sys.settrace(trace)
    try:
        events = list(Follower("http://127.0.0.1/").parse(stream))
    finally:
        sys.settrace(None)
    assert len(events) == 1
    return made


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(lambda size: [b"data: ", *[b"x" * 1000] * size, b"\n\n"], id="one line"),
        pytest.param(lambda size: [b"data: 0123456789\n" * 4 * size, b"\n"], id="many lines"),
        pytest.param(
            lambda size: [*[b"data: 0123456789\r"] * size, b"\r", b":\n"], id="many chunks"
        ),
    ],
)
def test_an_event_that_is_twice_as_long_costs_twice_as_much(
    stream: Callable[[int], list[bytes]],
) -> None:
    assert characters_made(stream(1000)) < 2.1 * characters_made(stream(500))


def test_a_retry_that_nobody_can_wait_for_is_a_day() -> None:
    follower = Follower("http://127.0.0.1/")
    assert list(follower.parse([b"retry: %b\n\n" % (b"9" * 5000)])) == []
    assert follower.retry == LONGEST_RETRY == 86_400_000


# --- coming back ------------------------------------------------------------------


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives one answer to each connection, and the requests that came."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", requests
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"
WAIT = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
AWAY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Impatient(Follower):
    """Does not wait, and says how long it would have."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def test_it_asks_as_event_source_does_and_goes_on_after_the_last_event() -> None:
    with answering(OPEN + "id: ö1\ndata: a\n\nid: 2\ndata: half\n".encode(), GONE) as (
        url,
        requests,
    ):
        assert parsed(list(Impatient(url))) == [Parsed("a", "ö1")]
    assert b"\r\nAccept: text/event-stream\r\n" in requests[0]
    assert b"\r\nCache-Control: no-store\r\n" in requests[0]
    assert b"Last-Event-ID" not in requests[0]
    assert "\r\nLast-Event-ID: ö1\r\n".encode() in requests[1]


@pytest.mark.parametrize(
    ("id", "sent"), [(" 1 2 ", "1 2"), ("à", "à"), ("Ņ", "Ņ"), ("\x0b1", "1"), ("\x1c1", "\x1c1")]
)
def test_an_id_goes_back_without_the_spaces_that_no_header_has(id: str, sent: str) -> None:
    with answering(OPEN + f"id: {id}\ndata: a\n\n".encode(), GONE) as (url, requests):
        assert parsed(list(Impatient(url))) == [Parsed("a", id)]
    assert f"\r\nLast-Event-ID: {sent}\r\n".encode() in requests[1]


def test_no_proxy_is_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with answering(OPEN + b"data: a\n\n", GONE) as (url, _):
        assert parsed(list(Impatient(url))) == [Parsed("a")]


def test_it_waits_as_retry_says_and_longer_each_time_that_nobody_is_there() -> None:
    answers = [OPEN + b"retry: 100\n\n", AWAY, WAIT, OPEN + b"data: a\n\n", AWAY, GONE]
    with answering(*answers) as (url, _):
        follower = Impatient(url)
        assert [event.data for event in follower] == ["a"]
    assert follower.pauses == [0.1, 0.2, 0.4, 0.1, 0.2]


def test_it_never_waits_longer_than_a_minute() -> None:
    with answering(*[AWAY] * 20, GONE) as (url, _):
        follower = Impatient(url)
        assert list(follower) == []
    assert max(follower.pauses) == follower.pauses[-1] == 60


def test_it_waits_longer_than_a_minute_where_the_server_asks_for_it() -> None:
    with answering(OPEN + b"retry: 90000\n\n", AWAY, GONE) as (url, _):
        follower = Impatient(url)
        assert list(follower) == []
    assert follower.pauses == [90, 90]


def test_it_ends_with_the_event_close() -> None:
    with answering(OPEN + b"data: a\n\nevent: close\ndata: {}\n\ndata: b\n\n") as (url, requests):
        assert [event.name for event in follow(url)] == ["message", "close"]
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno log\n", "404 'no log'"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>Login</h1>", "as 'text/html'"),
        (b"HTTP/1.1 200 OK\r\n\r\ndata: a\n\n", "200 'data: a' as 'nothing'"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: a/\x1b[2J\r\n\r\n", r"as 'a/\\x1b\[2J'"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n\r\na token is needed\n",
         "401 'a token is needed'"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_stream_is_an_error_that_says_so(answer: bytes, reason: str) -> None:
    with answering(answer) as (url, _), pytest.raises(StreamRefusedError, match=reason) as raised:
        list(follow(url))
    assert url in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["no address", "http://", "ftp://127.0.0.1/", "http://[bad", "http://[bad]/", "http://a..b/"],
)
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match=f"'{re.escape(url)}' is no stream's address: "):
        list(follow(url))


# --- hostile servers --------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        b"http://[bad",
        b"http://a..b/",
        b"http://127.0.0.1:99999/",
        b"ftp://127.0.0.1/",
        b"http://\xff/",
    ],
)
def test_a_redirect_to_no_address_is_the_fault_of_who_redirects(location: bytes) -> None:
    further = b"HTTP/1.1 302 Found\r\nLocation: /further\r\nContent-Length: 0\r\n\r\n"
    astray = further.replace(b"/further", location)
    seen = re.escape(f"/further redirects to {location.decode('latin-1')!r}, which is no address: ")
    with (
        answering(further, astray) as (url, _),
        pytest.raises(StreamRefusedError, match=f"^{url.rstrip('/')}{seen}"),
    ):
        list(follow(url))


def test_the_body_of_a_redirect_is_not_waited_for() -> None:
    followed = threading.Event()

    def redirect(request: bytes, forward: Forward) -> Pieces:
        if request.startswith(b"GET /further "):
            followed.set()
            yield GONE
        else:
            yield b"HTTP/1.1 302 Found\r\nLocation: /further\r\nContent-Length: 9\r\n\r\n"
            followed.wait(PATIENCE)

    with relaying(redirect) as url:
        follower = Impatient(url)
        thread = threading.Thread(target=list, args=(follower,))
        thread.start()
        assert followed.wait(PATIENCE / 2)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_stream_that_is_compressed_unasked_is_refused() -> None:
    body = gzip.compress(b"data: a\n\n")
    head = OPEN[:-2] + b"Content-Encoding: GZip\r\n\r\n"
    with (
        answering(head + body) as (url, _),
        pytest.raises(StreamRefusedError, match=f"{url} gave events as 'gzip', although nobody"),
    ):
        list(follow(url))
    with answering(head + body, GONE) as (url, requests):
        assert next(follow(url, headers={"Accept-Encoding": "gzip"})).data == "a"
    assert b"\r\nAccept-Encoding: gzip\r\n" in requests[0]


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"data: ", b"x" * 10_000),
        (b"data: a\n", b"data: a\n" * 1000),
        (b"data: a\n", b"data\r" * 1000),
        (b"data: a\n", b": a\n" * 1000),
        (b"", b"no field"),
    ],
    ids=["a line", "an event", "an event of empty lines", "comments in an event", "a field"],
)
def test_what_never_ends_is_refused(begin: bytes, more: bytes) -> None:
    def pour(request: bytes, forward: Forward) -> Pieces:
        return chain([OPEN + b"data: first\n\n" + begin], repeat(more))

    got: list[str | None] = []
    with relaying(pour) as url:
        follower = Follower(url, longest_event=1024 * 1024)
        with pytest.raises(StreamRefusedError, match=f"{url} gave 1[0-9]{{6}} bytes of an event"):
            got.extend(event.data for event in follower)
    assert got == ["first"]
    assert follower.state == "closed"


@pytest.mark.parametrize(
    "stream",
    [
        b"data: a\n\n" * 10_000,
        b": a\n" * 10_000 + b"data: a\n\n",
        b"data: %b\n\n" % (b"a" * 90_000),
    ],
    ids=["events", "comments", "an event as long as is allowed"],
)
def test_what_ends_may_be_as_long_as_it_likes(stream: bytes) -> None:
    with answering(OPEN + stream, GONE) as (url, _):
        follower = Follower(url, retry=0, longest_event=90_008)
        assert parsed(list(follower)) == events_of(stream)[0]


def test_closing_ends_it_however_much_has_come() -> None:
    stream = b"data: a\n\n" * 1000
    with answering(OPEN + stream, OPEN + stream) as (url, _):
        got = []
        follower = Follower(url)
        for event in follower:
            got.append(event.data)
            follower.close()
        assert got == ["a"]
        opened = Follower(url, changed=lambda state: opened.close() if state == "open" else None)
        assert list(opened) == []


def test_a_server_that_says_nothing_for_too_long_is_taken_for_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        follower = Follower(f"http://127.0.0.1:{listener.getsockname()[1]}/", read_timeout=0.2)
        follower.retry = 0
        thread = threading.Thread(target=list, args=(follower,))
        thread.start()
        first, _ = listener.accept()
        first.sendall(OPEN + b": hello\n\n")
        second, _ = listener.accept()
        follower.close()
        for connection in (first, second):
            connection.close()
        thread.join(PATIENCE)
    assert follower.state == "closed"


@pytest.mark.parametrize("answer", [b"", OPEN, OPEN + b": hello\n\n"])
def test_closing_ends_it_whatever_it_waits_for(answer: bytes) -> None:
    """A server that hangs accepts connections, and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        follower = Follower(f"http://127.0.0.1:{listener.getsockname()[1]}/", read_timeout=600)
        thread = threading.Thread(target=list, args=(follower,))
        thread.start()
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
            follower.close()
            thread.join(PATIENCE)
            assert not thread.is_alive()


# --- the real server --------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "app.log"
    log.touch()
    return log


def append(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.writelines(line + "\n" for line in lines)


@contextmanager
def collecting(server: Server) -> Iterator[tuple[Follower, list[str | None]]]:
    """A follower in a thread of its own, and the lines that it got."""
    got: list[str | None] = []
    states: list[str] = []
    follower = Follower(f"{server.url}/stream-logs", retry=20, changed=states.append)

    def collect() -> None:
        for event in follower:
            if event.name == "message":
                got.append(event.data)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        wait_until(lambda: follower.state == "open", "the stream")
        yield follower, got
    finally:
        follower.close()
        thread.join(2)
    assert not thread.is_alive()
    assert states[-1] == "closed"


def test_a_killed_server_costs_no_line_and_doubles_none(tmp_path: Path, log: Path) -> None:
    with running(tmp_path, log, "--retry", 20) as server, collecting(server) as (_, got):
        expected = []
        for turn in range(3):
            for when in ("before", "during", "after"):
                line = f"{turn} {when}"
                if when == "during":
                    server.kill()
                append(log, line)
                expected.append(line)
                if when == "during":
                    server.start()
            wait_until(lambda: len(got) >= len(expected), "the lines")
        assert got == expected


@pytest.mark.parametrize("is_up", [True, False])
def test_closing_ends_it_at_once_and_leaves_nothing(tmp_path: Path, log: Path, is_up: bool) -> None:
    threads, before = threading.active_count(), held()
    with running(tmp_path, log, "--retry", 60_000) as server, collecting(server) as (follower, _):
        if not is_up:
            server.kill()
            wait_until(lambda: follower.state == "waiting", "the loss")
    assert threading.active_count() <= threads
    wait_until(lambda: not held() - before, "the descriptors")


def test_leaving_the_loop_closes_the_connection(tmp_path: Path, log: Path) -> None:
    append(log, "one", "two")
    with running(tmp_path, log) as server:
        for event in follow(f"{server.url}/stream-logs"):
            assert event.data == "one"
            break
        wait_until(
            lambda: "client left" in server.errors(), "the end that the server's log tells of"
        )


def test_a_token_is_sent(tmp_path: Path, log: Path) -> None:
    append(log, "one")
    with running(tmp_path, log, "--token", "secret") as server:
        url = f"{server.url}/stream-logs"
        assert next(iter(follow(url, token="secret"))).data == "one"
        with pytest.raises(StreamRefusedError, match="token is wrong"):
            next(iter(follow(url, token="other")))


CUT: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("chunked", lambda body: b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"),
    ("until the end of the connection", lambda body: body),
]


@pytest.mark.parametrize(("name", "frame"), CUT, ids=[name for name, _ in CUT])
def test_a_body_of_either_kind_is_read_as_it_comes(
    name: str, frame: Callable[[bytes], bytes]
) -> None:
    head = OPEN if name != "chunked" else OPEN[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
    stream = STREAMS["mixed line ends"]
    with answering(head + frame(stream), GONE) as (url, _):
        assert parsed(list(Impatient(url))) == events_of(stream)[0]
