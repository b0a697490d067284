"""Connections of `requests` that tell of their sockets, of redirects, and why there are none."""

import socket
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class Session(requests.Session):
    """Follows redirects, and tells of the last one."""

    redirect = ""
    """Which address leads where."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        if resp.is_redirect:
            resp.close()  # its body is read to the end otherwise, and may have none
            self.redirect = f"{resp.url} redirects to {resp.headers['Location']!r}"
        return super().get_redirect_target(resp)


class Adapter(HTTPAdapter):
    """Hands over the socket of a connection as soon as it stands."""

    def __init__(self, connected: Callable[[socket.socket], None]) -> None:
        super().__init__()
        self._tell = connected

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        tell = self._tell

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                tell(self.sock)

        pool.ConnectionCls = Connection
        return pool


def reason_of(error: BaseException) -> str:
    """Why a connection failed, in the system's words where it has some: what is at the bottom."""
    reason, at = "the connection was lost", error
    while True:
        if isinstance(at, TimeoutError | requests.Timeout):
            reason = "nothing came for too long"
        elif isinstance(at, OSError) and (words := _words_of(at)):
            reason = words
        below = at.__cause__ or at.__context__
        if below is None:
            return reason
        at = below


def _words_of(error: OSError) -> str:
    return str(getattr(error, "verify_message", "") or error.strerror or "")
