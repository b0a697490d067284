"""Bodies on their way: keep-alive comments, and what is pushed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine

from tornado.iostream import IOStream

from server.feeds.journal import Reader
from server.settings import Settings
from server.sse.event import KEEP_ALIVE
from server.web.stream import _LOOKS, Caller, EventStream, Site

COMMENT = b"%x\r\n%b\r\n" % (len(KEEP_ALIVE), KEEP_ALIVE)


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def run(test: Callable[[EventStream, socket.socket], Coroutine[None, None, None]]) -> None:
    """Run `test` with a stream of which only it looks after, and the client's end of it."""

    async def main() -> None:
        site = Site(Settings(keep_alive=3600))
        one, client = socket.socketpair()
        client.setblocking(False)
        with client:
            stream = EventStream(site, IOStream(one), True, Caller("", "/"), Reader())
            stream.start(silence())
            await test(stream, client)
            client.close()
            await site.shut_down(10)
        assert not site.streams

    asyncio.run(main())


async def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    async with asyncio.timeout(30):
        while len(data) < size:
            data += await asyncio.get_running_loop().sock_recv(client, 2**20)
    return data


def test_a_comment_comes_before_a_whole_interval_of_silence() -> None:
    async def test(stream: EventStream, client: socket.socket) -> None:
        for _ in range(_LOOKS - 2):
            stream.keep_alive()
        stream._push(memoryview(b"x"))
        for _ in range(_LOOKS - 1):  # the first of them sees that something was sent
            stream.keep_alive()
        assert await receive(client, 1) == b"x"
        stream.keep_alive()
        assert await receive(client, len(COMMENT)) == COMMENT
        for _ in range(_LOOKS):
            stream.keep_alive()
        assert await receive(client, len(COMMENT)) == COMMENT

    run(test)


def test_a_push_that_the_socket_does_not_take_is_sent_later_and_the_next_one_refused() -> None:
    async def test(stream: EventStream, client: socket.socket) -> None:
        chunk = memoryview(bytes(range(256)) * 16_384)  # 4 MiB
        assert stream._push(chunk)
        assert not stream._push(memoryview(b"next"))
        for _ in range(2 * _LOOKS):
            stream.keep_alive()  # no comment into the middle of a chunk
        assert await receive(client, len(chunk)) == chunk
        async with asyncio.timeout(30):
            while not stream._push(memoryview(b"next")):
                await asyncio.sleep(0)
        assert await receive(client, 4) == b"next"

    run(test)


def test_a_push_to_a_client_that_has_left_is_refused() -> None:
    async def test(stream: EventStream, client: socket.socket) -> None:
        client.close()
        assert not stream._push(memoryview(b"x"))
        await asyncio.wait({stream.task})
        assert not stream._push(memoryview(b"x"))

    run(test)
