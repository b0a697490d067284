"""How the contract's tests open each feed, add to it, and have it lose what it holds."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from server.feeds.contract import Feed
from server.feeds.live import LiveFeed
from server.feeds.numbers import NumberFeed
from server.filters.filter import Filter
from server.sse.event import Event
from tests.feeding import feeding
from tests.feeds.memory import MemoryFeed


class AbstractFeed(ABC):
    """How the tests open a feed, and add to it."""

    @abstractmethod
    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Feed]:
        yield  # type: ignore[misc]

    async def append(self, *texts: str) -> None:
        raise NotImplementedError

    async def forget(self) -> list[str]:
        """Lose at least the first two events; the texts of those that are there then."""
        raise NotImplementedError


class OpenLog(AbstractFeed):
    def __init__(self, path: Path) -> None:
        self.path = path

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Feed]:
        async with feeding(self.path) as feed:
            yield feed

    async def append(self, *texts: str) -> None:
        with self.path.open("a") as file:
            file.writelines(f"{text}\n" for text in texts)

    async def forget(self) -> list[str]:
        os.truncate(self.path, 0)
        await self.append("after", "the loss")
        return ["after", "the loss"]


class OpenRotatedLog(OpenLog):
    async def forget(self) -> list[str]:
        for name in ("app.log.2", "app.log.1"):
            os.truncate(self.path.parent / name, 0)  # one that is open is read on without a name
            (self.path.parent / name).unlink()
        return self.path.read_text().splitlines()


NOISE = "a line that nobody wants\n"


class OpenFilteredLog(OpenLog):
    """A log with other lines between those that are wanted."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Feed]:
        async with feeding(self.path, filter=Filter(("^a line",), invert=True)) as feed:
            yield feed

    async def append(self, *texts: str) -> None:
        with self.path.open("a") as file:
            file.write("".join(f"{NOISE}{text}\n{NOISE}" for text in texts))


class OpenFilteredRotatedLog(OpenFilteredLog):
    async def forget(self) -> list[str]:
        for name in ("app.log.3", "app.log.2", "app.log.1"):
            os.truncate(self.path.parent / name, 0)
            (self.path.parent / name).unlink()
        return [line for line in self.path.read_text().splitlines() if f"{line}\n" != NOISE]


class OpenMemory(AbstractFeed):
    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)
        self._feed = MemoryFeed()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Feed]:
        self._feed = MemoryFeed(most=len(self._texts))
        await self._feed.append(*self._texts)
        yield self._feed

    async def append(self, *texts: str) -> None:
        await self._feed.append(*texts)

    async def forget(self) -> list[str]:
        more = [f"more {number}" for number in range(5)]
        await self.append(*more)
        return [text for text in self._texts[len(more) :] if text] + more


class OpenNumbers(AbstractFeed):
    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Feed]:
        yield NumberFeed(1, 10, 0)


class OpenLive(AbstractFeed):
    """What comes, comes once: nobody can come back to it."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)
        self._coming = asyncio.Queue[str]()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Feed]:
        await self.append(*self._texts)
        yield LiveFeed(self._events())

    async def _events(self) -> AsyncIterator[Event]:
        while True:
            yield Event(await self._coming.get())

    async def append(self, *texts: str) -> None:
        for text in texts:
            await self._coming.put(text)
