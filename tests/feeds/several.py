"""Several logs and their merged feed within the process of a test."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from server.feeds.contract import AfterId, Feed, Last, LostError, Oldest, Place, Start, gap_frame
from server.feeds.memory import Memory
from server.feeds.merged import MergedFeed
from server.feeds.served import ServedLog
from server.filters.filter import Filter, Selection
from server.logs.log import Log
from server.logs.tail import find_tail
from tests.event_stream import Parsed, Parser

MEMORY = 1024 * 1024
MAX_LINE = 8192
BACKLOG = 2
PATIENCE = 20


@asynccontextmanager
async def served(path: Path, name: str = "") -> AsyncIterator[ServedLog]:
    """A log that is followed meanwhile."""
    name = name or path.name
    log = ServedLog(name, Log(path, find_tail(), MAX_LINE, name=name), MAX_LINE, Memory(MEMORY))
    await log.log.open()
    task = asyncio.create_task(log.follow())
    try:
        yield log
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        log.close()


@asynccontextmanager
async def merging(
    *paths: Path, memory: int = MEMORY, backlog: int = BACKLOG, filter: Filter | None = None
) -> AsyncIterator[MergedFeed]:
    """The merged feed of logs that are called as their files are."""
    async with AsyncExitStack() as stack:
        selection = Selection(filter, MAX_LINE) if filter else None
        feed = MergedFeed(MAX_LINE, backlog, memory, selection=selection)
        for path in paths:
            await feed.add(await stack.enter_async_context(served(path)))
        feed.begin()
        yield feed


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def at(second: int, text: str) -> str:
    """A line with a time."""
    return f"2026-11-29 10:{second // 60:02}:{second % 60:02} {text}"


ALTERNATING = ["a0", "b1", "a2", "b3", "a4", "b5", "a6", "b7", "a8", "b9"]
"""The last words of the lines of `two_logs`, as they follow each other."""


def two_logs(directory: Path) -> tuple[Path, Path]:
    """Two logs whose lines alternate."""
    a, b = directory / "a", directory / "b"
    append(a, *(at(second, f"a{second}") for second in range(0, 10, 2)))
    append(b, *(at(second, f"b{second}") for second in range(1, 10, 2)))
    return a, b


def numbers(lines: list[str]) -> list[str]:
    """What stands at the end of each."""
    return [line.rpartition(" ")[2] for line in lines]


class Reader:
    """A client that reads on, batch after batch, and keeps what it gets."""

    def __init__(self, feed: Feed, start: Start | str) -> None:
        self.feed = feed
        self.start = AfterId(start) if isinstance(start, str) else start
        self.places: list[Place] = []
        self.events: list[Parsed] = []
        """All events that have data."""
        self._parser = Parser(start if isinstance(start, str) else "")

    async def begin(self) -> "Reader":
        try:
            self.places.append(await self.feed.locate(self.start))
        except LostError as lost:
            asked = self.start.id if isinstance(self.start, AfterId) else ""
            self.places.append(lost.place)
            self.events += self._parser.feed(gap_frame(asked, lost.place, lost.why))
        return self

    @property
    def place(self) -> Place:
        return self.places[-1]

    async def step(self) -> None:
        """Read one batch."""
        async with asyncio.timeout(PATIENCE):
            batch = await self.feed.read(self.place)
        assert batch.start == self.place
        events = self._parser.feed(batch.frames)
        assert len(events) == batch.events
        self.events += events
        self.places.append(batch.end)

    async def read(self, lines: int) -> list[str]:
        """Read on until there are so many lines, and give them as LOG:TEXT."""
        while len(self.lines) < lines:
            await self.step()
        return self.lines

    async def wait_for(self, type: str) -> dict[str, object]:
        """Read on until an event of that type has come, and give what it says."""
        while not self.facts(type):
            await self.step()
        return self.facts(type)[0]

    async def read_out(self) -> list[str]:
        """Read on to the live end."""
        while not self.feed.is_live(self.place):
            await self.step()
        return self.lines

    @property
    def lines(self) -> list[str]:
        return [shown(event) for event in self.events if event.type == "message"]

    @property
    def ids(self) -> list[str]:
        """The ids of the lines."""
        return [event.id for event in self.events if event.type == "message"]

    def facts(self, type: str) -> list[dict[str, object]]:
        return [json.loads(event.data) for event in self.events if event.type == type]


async def reading(feed: Feed, start: Start | str | None = None) -> Reader:
    """A client that begins at `start`, the oldest line if none is given."""
    return await Reader(feed, Oldest() if start is None else start).begin()


async def live(feed: Feed) -> Reader:
    return await reading(feed, Last(0))


def shown(event: Parsed) -> str:
    told = json.loads(event.data)
    return f"{told['log']}:{told['line']}"


def of(lines: Iterable[str], log: str) -> list[str]:
    """The texts of one log."""
    return [line.removeprefix(f"{log}:") for line in lines if line.startswith(f"{log}:")]


async def until(feed: Feed, place: Place) -> None:
    """Wait until something follows `place`."""
    async with asyncio.timeout(PATIENCE):
        while feed.is_live(place):
            await asyncio.sleep(0.001)
