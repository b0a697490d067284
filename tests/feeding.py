"""A log's feed within the process of a test, and what a client gets of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import sh

from server.feeds.contract import AfterId, Feed, Last, LostError, Oldest, Start, gap_frame
from server.feeds.log import LogFeed
from server.filters.filter import Filter, Selection
from server.logs.encoding import TextEncoder
from server.logs.layout import Layout
from server.logs.log import MAX_UNPACK, Log
from server.logs.tail import find_tail
from server.sse.event import Event
from tests.event_stream import Parsed, Parser

MEMORY = 1024 * 1024
MAX_LINE = 8192


def log_feed(
    where: Path | Layout,
    memory: int = MEMORY,
    tail: sh.Command | None = None,
    max_unpack: int = MAX_UNPACK,
    filter: Filter | None = None,
) -> LogFeed:
    """The feed of a log that nobody follows yet."""
    log = Log(where, tail or find_tail(), MAX_LINE, max_unpack)
    selection = Selection(filter, MAX_LINE) if filter else None
    return LogFeed(log, TextEncoder(MAX_LINE), memory, selection)


@asynccontextmanager
async def feeding(
    where: Path | Layout,
    memory: int = MEMORY,
    tail: sh.Command | None = None,
    max_unpack: int = MAX_UNPACK,
    filter: Filter | None = None,
) -> AsyncIterator[LogFeed]:
    """The feed of a log that is followed meanwhile."""
    feed = log_feed(where, memory, tail, max_unpack, filter)
    await feed.log.open()
    task = asyncio.create_task(feed.log.follow(feed.publish))
    try:
        yield feed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        feed.log.close()


async def frames(feed: Feed, start: Start | str) -> AsyncIterator[bytes]:
    """What a client gets that begins at `start`; a text is its last event id."""
    start = AfterId(start) if isinstance(start, str) else start
    try:
        place = await feed.locate(start)
    except LostError as lost:
        place = lost.place
        yield gap_frame(start.id if isinstance(start, AfterId) else "", place, lost.why)
    if feed.is_live(place):
        yield Event(id=place.id).encode()
    async for batch in feed.subscribe(place):
        yield batch.frames


def live(feed: Feed) -> AsyncIterator[bytes]:
    """What a client gets that begins at the live end."""
    return frames(feed, Last(0))


def whole(feed: Feed) -> AsyncIterator[bytes]:
    """What a client gets that begins at the oldest event."""
    return frames(feed, Oldest())


async def take(frames: AsyncIterator[bytes], lines: int) -> list[Parsed]:
    """Events until so many lines have come."""
    parser, events = Parser(), list[Parsed]()
    async with asyncio.timeout(20):
        while sum(event.type == "message" for event in events) < lines:
            events += parser.feed(await anext(frames))
    return events


def data(events: list[Parsed]) -> list[str]:
    return [event.data for event in events if event.type == "message"]
