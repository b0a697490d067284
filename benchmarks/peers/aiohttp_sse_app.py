"""aiohttp-sse on aiohttp with uvloop."""

import asyncio
import sys
from collections.abc import AsyncIterator

import uvloop
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from benchmarks.peers.follow import listen, new_lines

_queues: set[asyncio.Queue[tuple[str, str]]] = set()


async def _broadcast(log: str) -> None:
    async for lines in new_lines(log):
        for id, line in lines:
            event = (str(id), line)
            for queue in _queues:
                queue.put_nowait(event)


async def _stream(request: web.Request) -> EventSourceResponse:
    queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    async with sse_response(request) as response:
        _queues.add(queue)
        try:
            await response.write(b": stream opened\r\n\r\n")
            while response.is_connected():
                id, line = await queue.get()
                await response.send(line, id=id)
        except ConnectionResetError:
            pass
        finally:
            _queues.discard(queue)
    return response


async def _lifespan(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(_broadcast(sys.argv[1]))
    yield
    task.cancel()


def main() -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", _stream)
    app.cleanup_ctx.append(_lifespan)
    web.run_app(app, sock=listen(), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
