"""A catalog within the process of a test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from server.catalog.catalog import Catalog
from server.catalog.discovery import Changes, Found, View
from server.feeds.memory import Memory
from server.feeds.merged import MergedFeed
from server.feeds.served import ServedLog
from server.filters.filter import Filter, Selection
from server.logs.log import Log
from server.logs.tail import find_tail
from tests.feeds.several import BACKLOG, MAX_LINE, MEMORY

Make = Callable[[Found], ServedLog]


def make(found: Found) -> ServedLog:
    """A log that nobody follows yet. Raises StartError."""
    log = Log(found.path, find_tail(), MAX_LINE, name=found.name)
    return ServedLog(found.name, log, MAX_LINE, Memory(MEMORY))


def found(*paths: Path) -> tuple[Found, ...]:
    return tuple(Found(path.name, path) for path in paths)


class Changing:
    """A catalog, and what discovery tells it."""

    def __init__(self, paths: Sequence[Path], make: Make) -> None:
        memory = Memory(MEMORY)

        def make_feed(filter: Filter | None) -> MergedFeed:
            selection = Selection(filter, MAX_LINE) if filter else None
            return MergedFeed(MAX_LINE, BACKLOG, memory.share, selection=selection)

        self.catalog = Catalog(make, make_feed, memory)
        self.add(*paths)

    def add(self, *paths: Path) -> None:
        self.catalog.update(View(found(*paths)), Changes(found(*paths), (), ()))

    def remove(self, *paths: Path) -> None:
        self.catalog.update(View(), Changes((), found(*paths), ()))


@asynccontextmanager
async def cataloguing(*paths: Path, make: Make = make) -> AsyncIterator[Changing]:
    """A catalog of these logs, which closes what is idle."""
    changing = Changing(paths, make)
    closing = asyncio.create_task(changing.catalog.close_idle())
    try:
        yield changing
    finally:
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing
        await changing.catalog.close()


async def wait_for(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
