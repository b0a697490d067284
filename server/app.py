"""All the wiring: what is built from the settings, started, served and drained."""

import asyncio
import errno
import gc
import logging
import os
import re
import resource
import signal
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tornado.web import Application, RequestHandler

from server.errors import StartError
from server.feeds.contract import Logs
from server.reloading import Reloading
from server.reporting import log_request
from server.service import feed_watchdog, notify
from server.serving import Serving
from server.settings import Settings
from server.supervision import supervise
from server.tls import tls_context
from server.web.access import Access
from server.web.body import DEAD_AFTER
from server.web.context import Context
from server.web.health import Health, HealthHandler
from server.web.lines import LinesHandler
from server.web.listener import BoundedServer, listen
from server.web.logs import LogsHandler, LogStreamHandler
from server.web.monitoring import LoopDelay, MetricsHandler
from server.web.numbers import NumberStreamHandler, SlowNumbersHandler
from server.web.pages import NothingHandler, PageHandler, PrefixHandler
from server.web.quota import StreamQuota
from server.web.raw import RawLogHandler

HEADER_TIMEOUT = 10.0
"""Seconds in which a request has to be there, or the next one on its connection."""

MAX_HEADER = 32 * 1024
"""Bytes of a request's line and headers."""

MAX_BODY = 1024
"""Bytes of a request's body, which nothing here needs."""

MOST_WAITING = 1024
"""Connections that may be open without a request, at the most a quarter of the descriptors."""

RESERVED = 80
"""Descriptors that are kept for the log's files, and for who only asks for a page."""

DRAIN = 1.5
"""Seconds that clients have to take what is left for them when the server shuts down."""

_log = logging.getLogger(__name__)

Route = tuple[str, type[RequestHandler], dict[str, Any]]
"""A path, who answers it, and what that is given."""


def find_pages() -> Path:
    """The directory of the pages: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "html"
    return inside if inside.is_dir() else package.parent / "html"


def routes(served: Logs) -> list[Route]:
    """What is served: the logs, the numbers and the pages."""
    logs = {"logs": served}
    pages = {"path": find_pages(), "default_filename": "index.html"}
    return [
        ("/stream-logs", LogStreamHandler, logs),
        ("/stream-numbers", NumberStreamHandler, {}),
        ("/slow-numbers", SlowNumbersHandler, {}),
        ("/logs", LogsHandler, logs),
        ("/logs/(.+)/lines", LinesHandler, logs),
        ("/logs/(.+)", RawLogHandler, logs),
        (r"/(|[\w-]+\.(?:html|css|js|svg))", PageHandler, pages),
    ]


def make_app(context: Context, logs: Logs, health: Health, delay: LoopDelay) -> Application:
    """The Tornado application that serves them, and says how it is doing."""
    prefix = context.settings.prefix
    own: list[Route] = [
        ("/healthz", HealthHandler, {"health": health}),
        ("/metrics", MetricsHandler, {"logs": logs, "delay": delay}),
        ("", PrefixHandler, {"url": f"{prefix}/"}),
    ]
    all_routes = [*routes(logs), *own]
    return Application(
        [(re.escape(prefix) + path, handler, given) for path, handler, given in all_routes],
        default_handler_class=NothingHandler,
        log_function=log_request,
        riacho=context,
    )


async def run(
    settings: Settings,
    announce: Callable[[str, str], None],
    hide: Callable[[str], object] = lambda token: None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of the terminal in which it was started.

    Any other SIGHUP reads the certificate and the token's file anew.

    `announce` gets the address and what is served once the server is up, `hide` each new token, for
    the server's own log. Raises StartError if the server cannot start.
    """
    serving = Serving(settings)
    descriptors = _raise_descriptor_limit()
    waiting = max(1, min(MOST_WAITING, descriptors // 4))
    quota = StreamQuota(
        max(1, min(settings.max_clients, descriptors - waiting - RESERVED)),
        settings.max_clients_per_address,
        settings.trusted_proxy,
    )
    tls = tls_context(settings)
    try:
        sockets = listen(settings.port, settings.host)
    except (OSError, ValueError) as error:  # a ValueError: no name of a host is like that
        raise StartError(_why_not_bound(settings, error)) from None
    host, port = sockets[0].getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # an address to call
    settings = replace(settings, port=port)
    access = Access(settings)
    context = Context(settings, access, quota)

    def use_token(token: str) -> None:
        hide(token)
        access.use_token(token)

    _collect_garbage_seldom()
    async with serving.served() as logs:
        delay, health = LoopDelay(), Health(logs)
        server = BoundedServer(
            make_app(context, logs, health, delay),
            ssl_options=tls,
            idle_connection_timeout=HEADER_TIMEOUT,
            body_timeout=HEADER_TIMEOUT,
            max_header_size=MAX_HEADER,
            max_body_size=MAX_BODY,
            max_buffer_size=2 * MAX_HEADER,
        )
        server.most_waiting = waiting
        server.dead_after = settings.keep_alive * DEAD_AFTER
        reloading = Reloading(settings, server.use_certificate, use_token)
        background = [
            asyncio.create_task(supervise(name, make))
            for name, make in (
                ("the measurement of the loop's delay", delay.measure),
                ("the watch of the logs' health", health.watch),
                ("the reading of new certificates and tokens", reloading.run),
                ("the watchdog's feeding", lambda: feed_watchdog(lambda: not health.is_stuck())),
            )
        ]
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        had_terminal = os.isatty(0)

        def hang_up() -> None:
            (stop.set if _is_terminal_gone(had_terminal) else reloading.request)()

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])  # see server/__main__.py
        server.add_sockets(sockets)
        scheme = "https" if tls else "http"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{settings.prefix}"
        announce(url, serving.doing())
        notify("READY=1", f"STATUS={serving.doing()} at {url}")

        ends: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if settings.pid:
            ends.append(asyncio.create_task(_end_of(settings.pid)))
        ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

        notify("STOPPING=1")
        server.stop()
        await context.shut_down(DRAIN)
        await server.close_all_connections()
        for task in (*ends, *background):
            task.cancel()
        for task in ended:
            task.result()  # raises what has ended it


def _is_terminal_gone(was_there: bool) -> bool:
    """Whether standard input is a terminal that has been closed, perhaps during the start."""
    try:
        termios.tcgetattr(0)
    except termios.error as error:
        return was_there or error.args[0] == errno.EIO  # ENOTTY of what never was a terminal
    return False


async def _end_of(pid: int) -> None:
    """Wait for the end of a process that need not be a child."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            _log.info("the process %d of --pid is not there any more, so the server ends", pid)
            return
        except PermissionError:
            pass  # there, and somebody else's
        await asyncio.sleep(1)


def _raise_descriptor_limit() -> int:
    """Allow as many clients as the system lets this process have; the limit of open files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # macOS has a lower limit than it says
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _collect_garbage_seldom() -> None:
    """Keep the garbage collector from going through all clients again and again.

    With ten thousand of them that takes a tenth of a second each time. A stream is freed
    without it; the cycles that a request leaves behind are found while they are young.
    """
    gc.freeze()
    gc.set_threshold(10_000, 5, 50)


def _why_not_bound(settings: Settings, error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return (
            f"port {settings.port} on {settings.host} is in use: "
            "stop what uses it, or choose another with --port (0 takes a free one)"
        )
    if number == errno.EACCES:
        return f"port {settings.port} needs privileges: choose one above 1023 with --port"
    why = error.strerror if isinstance(error, OSError) else "it is no name of a host"
    return f"cannot listen on {settings.host} ({why}): choose an address with --host"
