"""FastAPI's own event streams on uvicorn with uvloop (and httptools where that is installed)."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from benchmarks.peers.follow import listen, new_lines

_queues: set[asyncio.Queue[ServerSentEvent]] = set()


async def _broadcast(log: str) -> None:
    async for lines in new_lines(log):
        for id, line in lines:
            event = ServerSentEvent(raw_data=line, id=str(id))
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


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(_broadcast(sys.argv[1]))
    yield
    task.cancel()


def main() -> None:
    app = FastAPI(lifespan=_lifespan)
    app.get("/{path:path}", response_class=EventSourceResponse)(_events)
    config = uvicorn.Config(app, loop="uvloop", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listen()])


if __name__ == "__main__":
    main()
