"""Keeps tail running for the file that is followed, and replaces it when it is of no use."""

import logging
import time
from pathlib import Path

import sh

from server.logs.decisions import STALLED, Look, TailState, must_stop_tail, wants_new_tail
from server.logs.tail import Tail

_log = logging.getLogger(__name__)


class Tailing:
    """At most one tail at a time, for the log at `path`."""

    def __init__(self, command: sh.Command, path: Path) -> None:
        self._command = command
        self._path = path
        self._tail: Tail | None = None
        self._started = self._level = -float("inf")
        self._problem = ""
        self.restarts = 0
        """How often tail had to be replaced."""

    @property
    def is_running(self) -> bool:
        return self._tail is not None

    @property
    def is_behind(self) -> bool:
        """Whether tail has not handed over for too long what was read without it."""
        return self.is_running and time.monotonic() - self._level > STALLED

    def forget(self) -> None:
        """Begin with another file: its first tail replaces none."""
        self._started = -float("inf")

    def start(self, look: Look, offset: int) -> None:
        """Start tail from `offset` on if it is wanted."""
        now = time.monotonic()
        if not wants_new_tail(self._state(False), look):
            return
        self.restarts += self._started > 0
        self._started = self._level = now
        try:
            self._tail = Tail(self._command, self._path, offset)
            self._problem = ""
        except OSError as error:
            if str(error) != self._problem:  # it is tried again and again
                _log.warning("reading %s without tail for now: %s", self._path, error)
            self._problem = str(error)

    async def read(self, taken: int, seconds: float) -> bytes | None:
        """What tail hands over within `seconds`, without what was taken before.

        None if it has ended.
        """
        assert self._tail
        start = self._tail.offset
        data = await self._tail.read(seconds)
        return None if data is None else data[max(0, taken - start) :]

    def note(self, taken: int) -> None:
        """Note up to where the file is read by now."""
        if self._tail is None or self._tail.offset >= taken:
            self._level = time.monotonic()

    async def stop_if_useless(self, look: Look, has_ended: bool) -> None:
        """Stop tail if it has ended, or has said what is not so, is not wanted, or is stuck."""
        if must_stop_tail(self._state(has_ended), look):
            await self.stop()

    async def stop(self) -> None:
        """Stop tail if it is running."""
        tail, self._tail = self._tail, None
        if tail:
            await tail.stop()

    def _state(self, has_ended: bool) -> TailState:
        now = time.monotonic()
        return TailState(self.is_running, has_ended, now - self._started, now - self._level)
