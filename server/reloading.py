"""SIGHUP: the server reads its certificate and its token again, while streams go on."""

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from server.errors import StartError
from server.service import notify
from server.settings import Settings
from server.tls import tls_context
from server.web.access import read_token

PATIENCE = 60.0
"""Seconds after which a file that cannot be read is given up, as on a disk that is out of reach."""

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Reloading:
    """Reads the files when it is requested; what cannot be used is logged and changes nothing.

    use_certificate, use_token: called with what was read.
    """

    def __init__(
        self,
        settings: Settings,
        use_certificate: Callable[[ssl.SSLContext], None],
        use_token: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._use_certificate = use_certificate
        self._use_token = use_token
        self._requested = asyncio.Event()

    def request(self) -> None:
        """Have the files read soon. Several requests may become one."""
        self._requested.set()

    async def run(self) -> None:
        """Serve the requests, for ever. systemd is told as sd_notify(3) has it."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                await self._reload()
            finally:
                notify("READY=1")

    async def _reload(self) -> None:
        settings = self._settings
        if settings.certfile:
            tls = await self._try(f"--certfile {settings.certfile}", lambda: tls_context(settings))
            if tls:
                self._use_certificate(tls)
        if path := settings.token_file:
            token = await self._try(f"--token-file {path}", lambda: read_token(path))
            if token:
                self._use_token(token)
        if not (settings.certfile or path):
            _log.info("SIGHUP: no --certfile and no --token-file is given, so nothing is read")

    async def _try(self, name: str, read: Callable[[], _Result]) -> _Result | None:
        try:
            result = await _in_thread(read)
        except TimeoutError:
            _log.error(
                "SIGHUP: %s is not read within %g s; what was read before stays in use",
                name,
                PATIENCE,
            )
            return None
        except StartError as error:
            _log.error("SIGHUP: %s; what was read before stays in use", error)
            return None
        _log.info("SIGHUP: %s was read again", name)
        return result


async def _in_thread(read: Callable[[], _Result]) -> _Result:
    """What `read` gives. Raises what it raises, and TimeoutError if it takes too long.

    It has a thread of its own, for which neither the exit nor the next SIGHUP waits: nothing can
    end a thread that hangs in open(2).
    """
    reading: Future[_Result] = Future()
    reading.set_running_or_notify_cancel()  # so that a late result finds its place

    def work() -> None:
        try:
            reading.set_result(read())
        except BaseException as error:
            reading.set_exception(error)

    threading.Thread(target=work, name="reload", daemon=True).start()
    async with asyncio.timeout(PATIENCE):
        return await asyncio.wrap_future(reading)
