"""For those who run the server: is it well, and what does it do."""

import asyncio
import importlib
import os
import shutil
import time
from dataclasses import dataclass, field

from server.feeds.journal import Journal
from server.logs.generation import Cursor
from server.web.handlers import SiteHandler

PATIENCE = 10.0
"""Seconds for which bytes may lie unread, or the log be missing, before that is an illness."""

ROOM = 16 * 1024 * 1024
"""Bytes that must be free on the log's disk: without room, its writer loses lines."""


@dataclass
class Health:
    """How the log is doing."""

    journal: Journal
    following: "asyncio.Task[None]"
    patience: float = PATIENCE
    _read: tuple[Cursor, int] | None = None
    _moved: float = field(default_factory=time.monotonic)
    _there: float = field(default_factory=time.monotonic)

    async def watch(self) -> None:
        """Look at the log each second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(1)

    def look(self) -> None:
        """Note whether the position moves with the file, and whether there is a file."""
        log, now = self.journal.log, time.monotonic()
        if not log.unread or (log.end, log.taken) != self._read:
            self._moved, self._read = now, (log.end, log.taken)
        if os.path.exists(log.path):
            self._there = now

    def is_stuck(self) -> bool:
        """Whether bytes lie unread for too long: an illness that a new start may cure."""
        return time.monotonic() - self._moved > self.patience

    def report(self) -> dict[str, object]:
        """What is looked at, and `problems`, in words; none if all is well."""
        log, away = self.journal.log, time.monotonic() - self._there
        try:
            free: int | None = shutil.disk_usage(log.path.parent).free
        except OSError:
            free = None
        problems = {
            "the log is no longer followed": self.following.done(),
            f"the log has not been there for {self.patience:g} s": away > self.patience,
            f"bytes of the log have not been read for {self.patience:g} s": self.is_stuck(),
            "the log's disk has no room": free is not None and free < ROOM,
        }
        return {
            "log": log.path.name,
            "exists": os.path.exists(log.path),
            "tail": log.is_tailed,
            "end": str(log.end.position),
            "unread": log.unread,
            "free": free,
            "problems": [problem for problem, is_so in problems.items() if is_so],
        }


class HealthHandler(SiteHandler):
    """`/healthz`: 200 if all is well, else 503. The details need the token, if there is one."""

    needs_token = False

    def initialize(self, health: Health) -> None:
        self._health = health

    def get(self) -> None:
        report = self._health.report()
        self.set_status(503 if report["problems"] else 200)
        status = {"status": "ill" if report["problems"] else "ok"}
        self.finish(status | report if self.knows_token else status)


class LoopDelay:
    """How late the event loop is, looked at every `interval` seconds."""

    interval = 1.0

    def __init__(self) -> None:
        self.last = self.worst = 0.0
        """Seconds; `worst` since it was last read by `take_worst`."""

    async def measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self.interval
            await asyncio.sleep(self.interval)
            self.last = max(0.0, loop.time() - due)
            self.worst = max(self.worst, self.last)

    def take_worst(self) -> float:
        worst, self.worst = self.worst, 0.0
        return worst


class MetricsHandler(SiteHandler):
    """`/metrics` for Prometheus."""

    def initialize(self, journal: Journal, delay: LoopDelay) -> None:
        self._journal = journal
        self._delay = delay

    async def get(self) -> None:
        # only when it is asked for, and in a thread: its import takes as long as our start
        metrics = await asyncio.to_thread(importlib.import_module, "server.web.metrics")
        kind, text = metrics.exposition(self.site, self._journal, self._delay)
        self.set_header("Content-Type", kind)
        self.finish(text)
