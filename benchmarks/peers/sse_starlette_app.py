"""sse-starlette on uvicorn with uvloop (and httptools where that is installed)."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from benchmarks.peers.follow import listen, new_lines

_queues: set[asyncio.Queue[ServerSentEvent]] = set()


async def _broadcast(log: str) -> None:
    async for lines in new_lines(log):
        for id, line in lines:
            event = ServerSentEvent(line, id=str(id))
            for queue in _queues:
                queue.put_nowait(event)


async def _events() -> AsyncIterator[ServerSentEvent]:
    queue: asyncio.Queue[ServerSentEvent] = asyncio.Queue()
    _queues.add(queue)
    try:
        yield ServerSentEvent(comment="stream opened")
        while True:
            yield await queue.get()
    finally:
        _queues.discard(queue)


async def _stream(request: Request) -> EventSourceResponse:
    return EventSourceResponse(_events())


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    task = asyncio.create_task(_broadcast(sys.argv[1]))
    yield
    task.cancel()


def main() -> None:
    app = Starlette(routes=[Route("/{path:path}", _stream)], lifespan=_lifespan)
    config = uvicorn.Config(app, loop="uvloop", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listen()])


if __name__ == "__main__":
    main()
