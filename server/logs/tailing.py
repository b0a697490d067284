"""Keeps tail running for the file that is followed, and replaces it when it is of no use."""

import logging
import sys
import time
from pathlib import Path

import sh

from server.logs.decisions import (
    STALLED,
    Lateness,
    Look,
    TailState,
    must_stop_tail,
    next_lateness,
    wants_new_tail,
)
from server.logs.layout import Layout, layout_of
from server.logs.tail import Tail

_log = logging.getLogger(__name__)


MOST_TAILS = 32
"""Tails that run at the same time: each takes an inotify instance, of which a user has 128."""


class TailLimit:
    """So many tails may run; further logs are read without one."""

    def __init__(self, most: int = MOST_TAILS) -> None:
        self._left = most

    def take(self) -> bool:
        """Whether one more may run."""
        if not self._left:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Note that one has ended."""
        self._left += 1


class Tailing:
    """At most one tail at a time, for the live file of a log, and none beyond `limit`."""

    def __init__(
        self, command: sh.Command, where: Path | Layout, limit: TailLimit | None = None
    ) -> None:
        self._command = command
        self._limit = limit or TailLimit()
        self._layout = layout_of(where)
        self._tail: Tail | None = None
        self._started = self._level = -float("inf")
        self._problem = ""
        self._lateness = Lateness()
        self._has_warned = False
        self.restarts = self.lates = 0
        """How often tail had to be replaced, and was late."""

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
        if not wants_new_tail(self._state(False), look) or not self._limit.take():
            return
        self.restarts += self._started > 0
        self._started = self._level = now
        try:
            self._tail = Tail(self._command, self._layout.location(), offset)
            self._problem = ""
        except OSError as error:
            self._limit.give_back()
            if str(error) != self._problem:  # it is tried again and again
                _log.warning("reading %s without tail for now: %s", self._layout.path, error)
            self._problem = str(error)

    async def read(self, taken: int, seconds: float) -> bytes | None:
        """What tail hands over within `seconds`, without what was taken before.

        None if it has ended.
        """
        assert self._tail
        start = self._tail.offset
        data = await self._tail.read(seconds)
        if data and start >= taken:
            self._lateness = next_lateness(self._lateness, 0, was_first=True)
        return None if data is None else data[max(0, taken - start) :]

    def note(self, taken: int) -> None:
        """Note up to where the file is read by now."""
        now = time.monotonic()
        if self._tail is None or self._tail.offset >= taken:
            self._level = now
        was_late = self._lateness.is_late
        self._lateness = next_lateness(self._lateness, now - self._level, was_first=False)
        if self._lateness.is_late and not was_late:
            self.lates += 1
            self._warn()

    def _warn(self) -> None:
        """Say once that tail is late, and what to do. Elsewhere than on Linux it always is."""
        if self._has_warned or not self._lateness.is_no_accident or sys.platform != "linux":
            return
        self._has_warned = True
        _log.warning(
            "tail is late with what is appended to %s, which is read without it: if the limit "
            "of inotify instances is reached, raise fs.inotify.max_user_instances",
            self._layout.path,
        )

    async def stop_if_useless(self, look: Look, has_ended: bool) -> None:
        """Stop tail if it has ended, or has said what is not so, is not wanted, or is stuck."""
        if must_stop_tail(self._state(has_ended), look):
            await self.stop()

    async def stop(self) -> None:
        """Stop tail if it is running."""
        tail, self._tail = self._tail, None
        if tail:
            self._limit.give_back()
            await tail.stop()

    def _state(self, has_ended: bool) -> TailState:
        now = time.monotonic()
        return TailState(self.is_running, has_ended, now - self._started, now - self._level)
