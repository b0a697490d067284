"""`/metrics`, and how late the event loop is."""

import asyncio
import importlib

from server.feeds.contract import Logs
from server.web.base import BaseHandler


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


class MetricsHandler(BaseHandler):
    """`/metrics` for Prometheus."""

    def initialize(self, logs: Logs, delay: LoopDelay) -> None:
        self._logs = logs
        self._delay = delay

    async def get(self) -> None:
        # only when it is asked for, and in a thread: its import takes as long as our start
        metrics = await asyncio.to_thread(importlib.import_module, "server.web.metrics")
        kind, text = metrics.exposition(self.context, self._logs, self._delay)
        self.set_header("Content-Type", kind)
        self.finish(text)
