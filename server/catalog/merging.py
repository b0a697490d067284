"""A merged feed and the logs that it is made of: opened together, each in its own time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from server.catalog.entry import CatalogLog
from server.feeds.contract import MOST_LOGS, Feed
from server.feeds.memory import Memory
from server.feeds.merged import MergedFeed
from server.feeds.served import ServedLog
from server.supervision import supervise

PATIENCE = 20.0
"""Seconds for which a client waits for logs whose disks are slow. They join later, as those do that
cannot be opened."""

IDLE = 60.0
"""Seconds for which a feed is kept ready after its last client has left."""

LINGER = 30.0
"""Seconds for which those who are behind may read a log that has gone."""

READ_OUT = 5.0
"""Seconds that a log which has gone is given to be read to its end."""

LOOK = 0.02
"""Seconds between two looks at what is waited for."""

_log = logging.getLogger(__name__)


class MergedStream:
    """The merged `feed` of `logs`, which shares `memory` with others."""

    def __init__(self, feed: MergedFeed, logs: Sequence[CatalogLog], memory: Memory) -> None:
        self._feed = feed
        self._memory = memory
        self._is_ready = asyncio.Event()
        self._left_out: list[CatalogLog] = []
        self._leaving: dict[CatalogLog, asyncio.Event] = {}
        self._tasks: dict[CatalogLog, asyncio.Task[None]] = {}  # also of logs that linger
        self._users = 0
        self._idle_since = time.monotonic()
        memory.join(feed)
        for log in logs:
            self.add(log)
        self._opening = asyncio.create_task(self._open())

    @property
    def is_in_use(self) -> bool:
        return self._users > 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody has used it for a while."""
        return not self._users and time.monotonic() - self._idle_since > IDLE

    @property
    def has_failed(self) -> bool:
        """Whether it has ended by an error, and is of no use any more."""
        return self._feed.has_failed

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[Feed]:
        """The feed, once those logs are in it that can be opened."""
        self._users += 1
        try:
            await self._is_ready.wait()
            yield self._feed
        finally:
            self._users -= 1
            self._idle_since = time.monotonic()

    async def _open(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._is_opening() and time.monotonic() < deadline:
            await asyncio.sleep(LOOK)
        self._feed.begin()
        self._is_ready.set()

    def _is_opening(self) -> bool:
        names = set(self._feed.names)
        return any(log.name not in names and not log.is_refused for log in self._leaving)

    def add(self, log: CatalogLog) -> None:
        """Merge one more log, or as soon as there is room for it in the ids."""
        self._feed.expected.add(log.name)
        if len(self._leaving) >= MOST_LOGS:
            _log.warning("%s is left out of a stream of %d logs", log.name, MOST_LOGS)
            self._left_out.append(log)
            return
        leaving = self._leaving[log] = asyncio.Event()
        name = f"the merging of {log.name}"
        task = asyncio.create_task(supervise(name, partial(self._merge, log, leaving)))
        task.add_done_callback(lambda task: self._tasks.pop(log, None))
        self._tasks[log] = task

    def remove(self, log: CatalogLog) -> None:
        """Merge a log no more, since it has gone."""
        self._feed.expected.discard(log.name)
        if log in self._left_out:
            self._left_out.remove(log)
        leaving = self._leaving.pop(log, None)
        if leaving is None:
            return
        leaving.set()
        if not log.is_open:
            self._tasks[log].cancel()  # it never came
        if self._left_out:
            self.add(self._left_out.pop(0))

    async def _merge(self, log: CatalogLog, leaving: asyncio.Event) -> None:
        """Keep a log open and in the feed until it leaves, and open for a while after that."""
        async with log.in_use() as served:
            try:
                await self._feed.add(served)
                await leaving.wait()
                await _read_out(served)
                self._feed.remove(served)
                await asyncio.sleep(LINGER)
            finally:
                self._feed.remove(served)
                self._feed.forget(served)

    async def close(self) -> None:
        """Let go of all logs."""
        tasks = {self._opening, *self._tasks.values()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._memory.leave(self._feed)


async def _read_out(served: ServedLog) -> None:
    """Wait until a log that has gone is read to its end."""
    deadline = time.monotonic() + READ_OUT
    log = served.log
    while time.monotonic() < deadline:
        if not log.unread and log.end.position.offset >= log.follower.taken:
            return
        await asyncio.sleep(LOOK)
