"""What the server reads anew at SIGHUP while streams go on: its certificate and its token."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from server.errors import StartError
from server.service import notify
from server.settings import Settings
from server.tls import renew
from server.web.access import read_token

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Reloading:
    """Reads them when it is requested; what cannot be used is logged and changes nothing.

    tls: what holds the certificate, None without TLS.
    takers: called with the new token, in their order.
    """

    def __init__(
        self,
        settings: Settings,
        tls: ssl.SSLContext | None,
        takers: Iterable[Callable[[str], object]],
    ) -> None:
        self._settings = settings
        self._tls = tls
        self._takers = list(takers)
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
        settings, tls = self._settings, self._tls
        if tls:
            await self._try(f"--certfile {settings.certfile}", lambda: renew(tls, settings))
        if path := settings.token_file:
            token = await self._try(f"--token-file {path}", lambda: read_token(path))
            if token is not None:
                for take in self._takers:
                    take(token)
        if not (tls or path):
            _log.info("SIGHUP: no --certfile and no --token-file is given, so nothing is read")

    async def _try(self, name: str, read: Callable[[], _Result]) -> _Result | None:
        try:
            result = await asyncio.to_thread(read)
        except StartError as error:
            _log.error("SIGHUP: %s; what was read before stays in use", error)
            return None
        _log.info("SIGHUP: %s was read again", name)
        return result
