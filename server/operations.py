"""For those who run the server: is it well, and what does it do."""

import asyncio
import importlib
import shutil
import time
from dataclasses import dataclass

from server.handlers import SiteHandler
from server.journal import Journal

STUCK = 10.0
"""Seconds for which bytes may lie unread in the log before that is an illness."""

ROOM = 16 * 1024 * 1024
"""Bytes that must be free on the log's disk: without room, its writer loses lines."""


@dataclass
class Health:
    """How the log is doing; asked for once in a while."""

    journal: Journal
    following: "asyncio.Task[None]"
    _unread_since: float | None = None
    _end: str = ""

    def report(self) -> dict[str, object]:
        """What is looked at, and `problems`, in words; none if all is well."""
        log = self.journal.log
        unread, end, now = log.unread, str(log.end.position), time.monotonic()
        if not unread or end != self._end:
            self._unread_since, self._end = now, end
        stuck = unread and self._unread_since is not None and now - self._unread_since > STUCK
        try:
            free: int | None = shutil.disk_usage(log.path.parent).free
        except OSError:
            free = None
        problems = [
            problem
            for problem, is_so in {
                "the log is no longer followed": self.following.done(),
                f"{unread} bytes of the log have not been read for {STUCK:g} s": stuck,
                "the log's disk has no room": free is not None and free < ROOM,
            }.items()
            if is_so
        ]
        return {
            "log": log.path.name,
            "exists": log.size is not None,
            "tail": log.is_tailed,
            "end": end,
            "unread": unread,
            "free": free,
            "problems": problems,
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
        metrics = await asyncio.to_thread(importlib.import_module, "server.metrics")
        kind, text = metrics.exposition(self.site, self._journal, self._delay)
        self.set_header("Content-Type", kind)
        self.finish(text)
