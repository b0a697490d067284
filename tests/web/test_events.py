"""Event bodies: where they begin, keep-alive comments, and what is pushed."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import nullcontext

import pytest
from tornado.iostream import IOStream

from server.feeds.contract import Batch, Oldest
from server.feeds.live import LiveFeed, LivePlace
from server.settings import Settings
from server.sse.event import KEEP_ALIVE, Event
from server.web.body import Caller
from server.web.context import LOOKS, Context
from server.web.events import ID_PARAMETERS, EventBody
from tests.running import Server, following, running, wait_until

COMMENT = b"%x\r\n%b\r\n" % (len(KEEP_ALIVE), KEEP_ALIVE)


class NamedPlace(LivePlace):
    """A place with an id."""

    def __init__(self, id: str) -> None:
        self.id = id


async def silence() -> AsyncIterator[Event]:
    await asyncio.Event().wait()
    yield Event()


def body_of(context: Context, connection: socket.socket) -> EventBody:
    feed = nullcontext(LiveFeed(silence()))
    body = EventBody(context, IOStream(connection), True, Caller("", "/"), feed, Oldest())
    body.begin()
    return body


def batch(frames: bytes, id: str = "") -> Batch:
    return Batch(NamedPlace(""), frames, NamedPlace(id), 1)


def chunk(frames: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(frames), frames)


def run(test: Callable[[EventBody, socket.socket], Coroutine[None, None, None]]) -> None:
    """Run `test` with a body of which only it looks after, and the client's end of it."""

    async def main() -> None:
        context = Context(Settings(keep_alive=3600))
        one, client = socket.socketpair()
        client.setblocking(False)
        with client:
            body = body_of(context, one)
            await test(body, client)
            client.close()
            await context.shut_down(10)
        assert not context.streams

    asyncio.run(main())


async def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    async with asyncio.timeout(30):
        while len(data) < size:
            data += await asyncio.get_running_loop().sock_recv(client, 2**20)
    return data


def test_a_comment_comes_before_a_whole_interval_of_silence() -> None:
    async def test(body: EventBody, client: socket.socket) -> None:
        for _ in range(LOOKS - 2):
            body.keep_alive()
        assert body.push(batch(b"x"))
        for _ in range(LOOKS - 1):  # the first of them sees that something was sent
            body.keep_alive()
        assert await receive(client, 6) == chunk(b"x")
        body.keep_alive()
        assert await receive(client, len(COMMENT)) == COMMENT
        for _ in range(LOOKS):
            body.keep_alive()
        assert await receive(client, len(COMMENT)) == COMMENT

    run(test)


def test_after_events_that_were_none_of_its_own_a_client_is_told_where_it_is() -> None:
    async def test(body: EventBody, client: socket.socket) -> None:
        for id in ("5", "6"):
            assert body.push(batch(b"", id))
        for _ in range(LOOKS):
            body.keep_alive()
        where = chunk(b"id: 6\n\n")
        assert await receive(client, len(where)) == where
        for _ in range(LOOKS + 1):
            body.keep_alive()
        assert await receive(client, len(COMMENT)) == COMMENT

    run(test)


def test_a_push_that_the_socket_does_not_take_is_sent_later_and_the_next_one_refused() -> None:
    async def test(body: EventBody, client: socket.socket) -> None:
        frames = bytes(range(256)) * 16_384  # 4 MiB
        assert body.push(batch(frames))
        assert not body.push(batch(b"next"))
        for _ in range(2 * LOOKS):
            body.keep_alive()  # no comment into the middle of a chunk
        assert await receive(client, len(chunk(frames))) == chunk(frames)
        async with asyncio.timeout(30):
            while not body.push(batch(b"next")):
                await asyncio.sleep(0)
        assert await receive(client, 9) == chunk(b"next")

    run(test)


def test_a_push_to_a_client_that_has_left_is_refused() -> None:
    async def test(body: EventBody, client: socket.socket) -> None:
        client.close()
        assert not body.push(batch(b"x"))
        await asyncio.wait({body.task})
        assert not body.push(batch(b"x"))

    run(test)


class Broken(EventBody):
    """A body with a fault of its own."""

    def keep_alive(self) -> None:
        raise RuntimeError("a fault of its own")


def test_an_error_in_the_keep_alive_of_one_stream_ends_that_stream_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        context = Context(Settings(keep_alive=0.16))
        pairs = [socket.socketpair() for _ in range(2)]
        for _, client in pairs:
            client.setblocking(False)
        feed = nullcontext(LiveFeed(silence()))
        connection = IOStream(pairs[0][0])
        broken = Broken(context, connection, True, Caller("", "/broken"), feed, Oldest())
        broken.begin()
        body_of(context, pairs[1][0])
        await asyncio.wait({broken.task})
        for _ in range(3):
            assert await receive(pairs[1][1], len(COMMENT)) == COMMENT
        await context.shut_down(10)
        for _, client in pairs:
            client.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    [record] = caplog.records
    assert "/broken ends with an error" in record.getMessage()


# --- where a stream begins -----------------------------------------------------------

LINES = [f"line {number}" for number in range(50)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("events")
    (path / "app.log").write_text("".join(f"{line}\n" for line in LINES))
    with running(path, path / "app.log") as server:
        yield server


@pytest.fixture(scope="module")
def ids(server: Server) -> list[str]:
    """The ids of all lines."""
    with following(server, "/stream-logs?from=start") as client:
        client.wait_for(len(LINES))
        return [event.id for event in client.events if event.type == "message"]


@pytest.mark.parametrize("index", [0, 30, len(LINES) - 2])
@pytest.mark.parametrize("name", ["the header", *ID_PARAMETERS])
def test_a_stream_goes_on_exactly_after_an_id_under_each_of_its_names(
    server: Server, ids: list[str], name: str, index: int
) -> None:
    """Whatever else the query asks for."""
    rest = LINES[index + 1 :]
    is_header = name == "the header"
    path = "/stream-logs?from=start&backlog=1" + ("" if is_header else f"&{name}={ids[index]}")
    with following(server, path, last_event_id=ids[index] if is_header else "") as client:
        assert client.wait_for(len(rest)) == rest
        assert client.facts("gap") == []
    with following(server, path.replace(ids[index], ids[-1]), last_event_id=ids[-1]) as client:
        wait_until(lambda: client.parser.last_event_id == ids[-1], "the place")
        assert client.lines == []


def test_names_that_polyfills_use_are_known() -> None:
    assert {"lastEventId", "evs_last_event_id", "lastEventID"} <= set(ID_PARAMETERS)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("/stream-logs?backlog=0", ""),
        ("/stream-logs?backlog=0&from=start&token=x", ""),
        ("/stream-logs?backlog=0&evs_last_event_id=", ""),
        ("/stream-logs?backlog=0&filter=ERROR", "'filter'"),
        ("/stream-logs?backlog=0&Backlog=5&Log=a&Log=b", "'Backlog', 'Log'"),
        ("/stream-logs?backlog=0&two%0alines=1", r"'two\nlines'"),
        ("/stream-logs?backlog=0&x%0d%0adata:+evil=1", r"'x\r\ndata: evil'"),
        ("/stream-numbers?interval=0&backlog=5", "'backlog'"),
        ("/stream-numbers?interval=0&from=1&to=3", ""),
    ],
)
def test_the_first_comment_names_the_parameters_that_are_not_known(
    server: Server, path: str, ignored: str
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        data = b""
        while data.partition(b"\r\n\r\n")[2].count(b"\n") < 2:
            data += connection.recv(65536)
    comment = data.partition(b"\r\n\r\n")[2].decode().split("\n")[1]
    why = "; ignored, since it is not known: " if ignored else ""
    assert comment == f": stream opened{why}{ignored}"
