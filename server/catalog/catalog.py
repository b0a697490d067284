"""All logs that are served, by their names."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from fnmatch import fnmatchcase

from server.catalog.discovery import Changes, Found, View
from server.catalog.entry import CatalogLog, Writer
from server.catalog.merging import MergedStream
from server.feeds.contract import BrokenOffError, BusyError, Feed
from server.feeds.memory import Memory
from server.feeds.merged import MergedFeed
from server.feeds.served import ServedLog
from server.filters.filter import Filter

MOST_STREAMS = 100
"""Sets of logs that are merged at a time, for all clients together: each new line is made ready for
each of them. Many clients of one set with one filter count once."""

_Key = tuple[tuple[str, ...], Filter | None]

LOOK = 5.0
"""Seconds between two looks for what is idle."""


class Catalog:
    """See `Logs`. `make` makes a log that was found, `make_feed` the feed of several."""

    def __init__(
        self,
        make: Callable[[Found], ServedLog],
        make_feed: Callable[[Filter | None], MergedFeed],
        memory: Memory,
    ) -> None:
        self._make = make
        self._make_feed = make_feed
        self._memory = memory
        self._logs: dict[str, CatalogLog] = {}
        self._gone: set[CatalogLog] = set()  # with clients that are still there
        self._merged: dict[_Key, MergedStream] = {}
        self._failed: set[MergedStream] = set()
        self._view = View()

    def update(self, view: View, changes: Changes) -> None:
        """Take what there is now."""
        self._view = view
        for found in changes.removed:
            log = self._logs.pop(found.name)
            self._gone.add(log)
            for stream in self._merged.values():
                stream.remove(log)
        for found in changes.changed:
            self._logs[found.name].found = found
        for found in changes.added:
            self.add(found)

    def add(self, found: Found, writer: Writer | None = None) -> CatalogLog:
        """Serve a log that was found, or that `writer` writes."""
        log = self._logs[found.name] = CatalogLog(found, self._make, writer)
        for (patterns, _), stream in self._merged.items():
            if _matches(log.name, patterns):
                stream.add(log)
        return log

    async def close_idle(self) -> None:
        """Close what nobody uses, again and again, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            for key, stream in list(self._merged.items()):
                if stream.is_idle:
                    del self._merged[key]
                    await stream.close()
            for log in [*self._logs.values(), *self._gone]:
                await log.drop_idle()
            self._gone = {log for log in self._gone if log.is_in_use or log.is_open}
            for stream in [one for one in self._failed if not one.is_in_use]:
                self._failed.discard(stream)
                await stream.close()

    async def close(self) -> None:
        """Close all of them."""
        for stream in [*self._merged.values(), *self._failed]:
            await stream.close()
        self._merged.clear()
        self._failed.clear()
        for log in [*self._logs.values(), *self._gone]:
            await log.close()

    # --- see Logs -----------------------------------------------------------------------

    @property
    def names(self) -> Sequence[str]:
        return list(self._logs)

    def get(self, name: str) -> CatalogLog | None:
        """See `Logs.get`."""
        return self._logs.get(name)

    def matching(self, patterns: Sequence[str]) -> Sequence[str]:
        """See `Logs.matching`."""
        return [name for name in self._logs if _matches(name, patterns)]

    def merged(
        self, patterns: Sequence[str], filter: Filter | None = None
    ) -> AbstractAsyncContextManager[Feed]:
        """See `Logs.merged`: those who want the same share a feed."""
        key = tuple(sorted(set(patterns))), filter
        if key not in self._merged and not self._has_room:
            raise BusyError(f"{MOST_STREAMS} other sets of logs are read at the moment")
        return self._use(key)

    @property
    def _has_room(self) -> bool:
        """Whether there may be one more merged stream, perhaps in the place of an unused one."""
        streams = [*self._merged.values(), *self._failed]
        return len(streams) < MOST_STREAMS or not all(stream.is_in_use for stream in streams)

    @asynccontextmanager
    async def _use(self, key: _Key) -> AsyncIterator[Feed]:
        stream = self._merged.get(key)
        if stream and stream.has_failed:
            self._failed.add(self._merged.pop(key))
            stream = None
        if stream is None:
            if not self._has_room:  # others were quicker
                raise BrokenOffError("too many sets of logs are read")
            patterns, filter = key
            logs = [self._logs[name] for name in self.matching(patterns)]
            merged = self._make_feed(filter)
            stream = self._merged[key] = MergedStream(merged, logs, self._memory)
        async with stream.in_use() as feed:
            await self._drop_unused()
            yield feed

    async def _drop_unused(self) -> None:
        """Close what nobody uses, as far as there are too many streams."""
        for key, stream in list(self._merged.items()):
            if len(self._merged) + len(self._failed) <= MOST_STREAMS:
                return
            if not stream.is_in_use:
                del self._merged[key]
                await stream.close()

    async def describe(self) -> dict[str, object]:
        """See `Logs.describe`."""
        view = self._view
        answer: dict[str, object] = {
            "logs": [await log.describe() for log in list(self._logs.values())]
        }
        if view.left_out:
            answer["left_out"] = [_as_json(one) for one in view.left_out]
        if view.problems:
            answer["problems"] = [_as_json(one) for one in view.problems]
        return answer


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _as_json(one: Sequence[object]) -> dict[str, str]:
    what, why = one
    return {"what": str(what).rpartition("/")[2], "why": str(why)}
