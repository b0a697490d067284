"""Numbers, one after the other: a stream of events that ends, and a page in pieces."""

import asyncio
from collections.abc import AsyncIterator

from server.sse.event import Event, fact

LARGEST = 1_000_000
"""The largest number, and the smallest below zero, that can be asked for."""

LONGEST_INTERVAL = 3600.0
"""Seconds."""


async def count(first: int, last: int, interval: float) -> AsyncIterator[bytes]:
    """An event for each number from `first` to `last`, `interval` seconds apart, then `close`."""
    for number in range(first, last + 1):
        yield Event(str(number), id=str(number)).encode()
        await asyncio.sleep(interval if number < last else 0)
    yield fact("close", reason="finished", last=last)


async def count_after_gap(
    unknown_id: str, first: int, last: int, interval: float
) -> AsyncIterator[bytes]:
    """The same for a client whose last event id is none of these numbers."""
    yield fact("gap", **{"from": unknown_id, "to": str(first), "why": "no number of this stream"})
    async for frame in count(first, last, interval):
        yield frame


async def slow_page(first: int, last: int, interval: float) -> AsyncIterator[bytes]:
    """An HTML page with a list of numbers, an item every `interval` seconds."""
    yield (
        b'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        b'<meta name="viewport" content="width=device-width">\n'
        b"<title>Slow numbers</title>\n<h1>Slow numbers</h1>\n"
        b"<p>This page is not finished yet: the server sends it piece by piece.</p>\n<ul>\n"
    )
    for number in range(first, last + 1):
        await asyncio.sleep(interval)
        yield b"<li>%d</li>\n" % number
    yield b"</ul>\n<p>Now it is finished.</p>\n</html>\n"
