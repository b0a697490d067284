"""Event bodies on their way: keep-alive comments, and what is pushed."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
from tornado.iostream import IOStream

from server.feeds.contract import Batch, Oldest
from server.feeds.live import LiveFeed, LivePlace
from server.settings import Settings
from server.sse.event import KEEP_ALIVE, Event
from server.web.body import Caller
from server.web.context import LOOKS, Context
from server.web.events import EventBody

COMMENT = b"%x\r\n%b\r\n" % (len(KEEP_ALIVE), KEEP_ALIVE)


class NamedPlace(LivePlace):
    """A place with an id."""

    def __init__(self, id: str) -> None:
        self.id = id


async def silence() -> AsyncIterator[Event]:
    await asyncio.Event().wait()
    yield Event()


def body_of(context: Context, connection: socket.socket) -> EventBody:
    feed = LiveFeed(silence())
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
        feed = LiveFeed(silence())
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
