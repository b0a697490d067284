"""All the wiring: what is built from the settings, started, served and drained."""

import asyncio
import errno
import logging
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application

from server.errors import StartError
from server.handlers import (
    LogsHandler,
    LogStreamHandler,
    NumberStreamHandler,
    PageHandler,
    RawLogHandler,
    Site,
    SlowNumbersHandler,
)
from server.journal import Journal
from server.listener import listen
from server.log_writer import LogWriter
from server.logfile import LogFile
from server.settings import Settings
from server.tail import find_tail

DRAIN = 1.5
"""Seconds that clients have to take what is left for them when the server shuts down."""

_log = logging.getLogger(__name__)


def find_pages() -> Path:
    """The directory of the pages: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "html"
    return inside if inside.is_dir() else package.parent / "html"


def make_app(site: Site, journal: Journal) -> Application:
    """The Tornado application that serves `journal`, the numbers and the pages."""
    pages = {"path": find_pages(), "default_filename": "index.html"}
    return Application(
        [
            (r"/stream-logs", LogStreamHandler, {"journal": journal}),
            (r"/stream-numbers", NumberStreamHandler),
            (r"/slow-numbers", SlowNumbersHandler),
            (r"/logs", LogsHandler, {"journal": journal}),
            (r"/logs/(.+)", RawLogHandler, {"journal": journal}),
            (r"/(|[\w-]+\.(?:html|css|js|svg))", PageHandler, pages),
        ],
        riacho=site,
    )


async def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` gets the address once the server is up.

    Raises StartError if the server cannot start.
    """
    writer = LogWriter(settings.log_path, settings.writer_interval) if settings.writes_log else None
    log = LogFile(settings.log_path, find_tail(), settings.max_line)
    journal = Journal(log, settings.memory)
    _raise_descriptor_limit()
    site = Site(settings)
    server = HTTPServer(make_app(site, journal))
    try:
        sockets = listen(settings.port, settings.host)
    except OSError as error:
        raise StartError(_why_not_bound(settings, error)) from None
    await log.open()
    following = asyncio.create_task(journal.follow())
    if writer:
        writer.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server.add_sockets(sockets)
    host, port = sockets[0].getsockname()[:2]
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, following}, return_when=asyncio.FIRST_COMPLETED)

    server.stop()
    await site.shut_down(DRAIN)
    if writer:
        writer.stop()
    await server.close_all_connections()
    stopping.cancel()
    if following.done():
        following.result()  # following never ends but by an error
    following.cancel()
    await asyncio.wait({following})


def _raise_descriptor_limit() -> None:
    """Allow as many clients as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # macOS has a lower limit than it says


def _why_not_bound(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {settings.port} on {settings.host} is in use: "
            "stop what uses it, or choose another with --port (0 takes a free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {settings.port} needs privileges: choose one above 1023 with --port"
    return f"cannot listen on {settings.host} ({error.strerror}): choose an address with --host"
