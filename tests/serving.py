"""A server within the process of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tornado.httpserver import HTTPServer

from server.app import make_app
from server.serving import Serving
from server.settings import Settings
from server.web.context import Context
from server.web.health import Health
from server.web.listener import listen
from server.web.monitoring import LoopDelay
from tests.running import PATIENCE


@asynccontextmanager
async def serving(*logs: object) -> AsyncIterator[tuple[Context, int]]:
    """A server of these logs: what its handlers share, and its port."""
    settings = Settings(logs=tuple(map(str, logs)), state_dir=Path("no-sources"))
    context = Context(settings)
    async with Serving(settings).served() as served:
        server = HTTPServer(make_app(context, served, Health(served), LoopDelay()))
        server.add_sockets(sockets := listen(0, "127.0.0.1"))
        yield context, sockets[0].getsockname()[1]
        server.stop()
        await context.shut_down(PATIENCE)
        await server.close_all_connections()
