"""Listening sockets that outlive a shortage of descriptors."""

import errno
import logging
import os
import socket
import time
from typing import Any

from tornado.netutil import bind_sockets

_log = logging.getLogger(__name__)


def listen(port: int, host: str) -> list[socket.socket]:
    """Sockets that listen on all addresses of `host`. Raises OSError."""
    return [
        _PatientSocket(one.family, one.type, one.proto, one.detach())
        for one in bind_sockets(port, host)
    ]


class _PatientSocket(socket.socket):
    """Turns connections away while there is no descriptor left for them.

    A listening socket with a connection that cannot be accepted is ready for ever, and
    the event loop would spin. So one descriptor is kept in reserve: it is given up to
    accept the connection, only to close it. The client comes back by itself.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._reserve = -1
        self._said = -float("inf")
        self._hold_reserve()

    def _hold_reserve(self) -> None:
        if self._reserve < 0:
            try:
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                pass  # somebody was quicker: again at the next connection

    def _give_up_reserve(self) -> None:
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError if nobody is there, or somebody has been turned away."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._turn_away(error)
            raise BlockingIOError from error

    def _turn_away(self, why: OSError) -> None:
        self._hold_reserve()
        self._give_up_reserve()
        try:
            super().accept()[0].close()
        except OSError:
            pass
        self._hold_reserve()
        if time.monotonic() - self._said >= 1:
            self._said = time.monotonic()
            _log.error("clients are turned away: %s (raise the limit of open files)", why.strerror)

    def close(self) -> None:
        self._give_up_reserve()
        super().close()
