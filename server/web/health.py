"""`/healthz`: whether the log can be read, and is read."""

import asyncio
import logging
import time

from server.days import ADVICE, day_of
from server.feeds.contract import LogSource
from server.web.base import BaseHandler

PATIENCE = 10.0
"""Seconds for which bytes may lie unread, or the log be unreadable, before that is an illness."""

ROOM = 16 * 1024 * 1024
"""Bytes that must be free on the log's disk: without room, its writer loses lines."""

LONG = 3600.0
"""Seconds without anything new after which the server's own log says so: no illness."""

_log = logging.getLogger(__name__)


class Health:
    """How the log of `feed` is doing, as `following`, the task that follows it, gets on."""

    def __init__(
        self, feed: LogSource, following: "asyncio.Task[None]", patience: float = PATIENCE
    ) -> None:
        self._feed = feed
        self._following = following
        self._patience = patience
        self._progress: object = None
        self._is_quiet = False
        self._moved = self._readable = time.monotonic()

    async def watch(self) -> None:
        """Look at the log each second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(1)

    def look(self) -> None:
        """Note whether the position moves with the file, the log can be read, and lines come."""
        status, now = self._feed.status(), time.monotonic()
        if not status.unread or status.progress != self._progress:
            self._moved, self._progress = now, status.progress
        if not status.problem:
            self._readable = now
        is_quiet = status.quiet >= LONG
        if is_quiet and not self._is_quiet:
            hint = f"; its name holds a date: {ADVICE}" if day_of(self._feed.name) else ""
            _log.warning("nothing has come to %s for %g s%s", self._feed.name, LONG, hint)
        self._is_quiet = is_quiet

    def is_stuck(self) -> bool:
        """Whether bytes lie unread for too long: an illness that a new start may cure."""
        return time.monotonic() - self._moved > self._patience

    def report(self) -> dict[str, object]:
        """What is looked at, and `problems`, in words; none if all is well."""
        status, patience = self._feed.status(), self._patience
        away = time.monotonic() - self._readable
        problems = {
            "the log is no longer followed": self._following.done(),
            f"{self._feed.name} {status.problem}": bool(status.problem) and away > patience,
            f"bytes of the log have not been read for {patience:g} s": self.is_stuck(),
            # a file system without a limit reports no blocks at all
            "the log's disk has no room": status.free is not None and status.free < ROOM,
        }
        return {
            "log": self._feed.name,
            "exists": status.problem != "does not exist yet",
            "tail": status.is_tailed,
            "end": status.end,
            "unread": status.unread,
            "quiet": int(status.quiet),
            "free": status.free,
            "problems": [problem for problem, is_so in problems.items() if is_so],
        }


class HealthHandler(BaseHandler):
    """`/healthz`: 200 if all is well, else 503. The details need the token, if there is one."""

    needs_token = False

    def initialize(self, health: Health) -> None:
        self._health = health

    def get(self) -> None:
        report = self._health.report()
        self.set_status(503 if report["problems"] else 200)
        status = {"status": "ill" if report["problems"] else "ok"}
        self.finish(status | report if self.knows_token else status)
