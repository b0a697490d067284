"""Numbers, one after the other: a feed that ends, and a page in pieces."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from server.feeds.contract import (
    AfterId,
    Batch,
    FinishedError,
    Last,
    LostError,
    Place,
    Push,
    Reading,
    Start,
)
from server.sse.event import Event, control_event

LARGEST = 1_000_000
"""The largest number, and the smallest below zero, that can be asked for."""

LONGEST_INTERVAL = 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class NumberPlace:
    """After `number`. `is_fresh`: the client has just come, and need not wait for the next one.

    `is_closed`: it has been told that there are no more.
    """

    number: int
    is_fresh: bool = False
    is_closed: bool = False

    @property
    def id(self) -> str:
        return str(self.number)


class NumberFeed:
    """The numbers from `first` to `last`, `interval` seconds apart, then the event `close`."""

    def __init__(self, first: int, last: int, interval: float) -> None:
        self._first = first
        self._last = last
        self._interval = interval

    @property
    def end(self) -> NumberPlace:
        return NumberPlace(self._last, is_closed=True)

    async def locate(self, start: Start) -> NumberPlace:
        """See `Feed.locate`."""
        oldest = NumberPlace(self._first - 1, is_fresh=True)
        if isinstance(start, Last):
            return NumberPlace(max(self._first - 1, self._last - start.count), is_fresh=True)
        if not isinstance(start, AfterId):
            return oldest
        number = int(start.id) if re.fullmatch(r"-?\d{1,9}", start.id, re.ASCII) else None
        if number == self._last:
            raise FinishedError
        if number is None or not self._first <= number < self._last:
            raise LostError(oldest, "no number of this stream")
        return NumberPlace(number, is_fresh=True)

    async def read(self, place: Place) -> Batch:
        """See `Feed.read`."""
        assert isinstance(place, NumberPlace)
        if place.is_closed:
            raise FinishedError
        if place.number >= self._last:
            close = control_event("close", reason="finished", last=self._last)
            return Batch(place, close, NumberPlace(place.number, is_closed=True), 1)
        if not place.is_fresh:
            await asyncio.sleep(self._interval)
        number = str(place.number + 1)
        frames = Event(number, id=number).encode()
        return Batch(place, frames, NumberPlace(place.number + 1), 1)

    def subscribe(self, place: Place, push: Push | None = None) -> Reading:
        """See `Feed.subscribe`."""
        return Reading(self, place)

    def is_live(self, place: Place) -> bool:
        return isinstance(place, NumberPlace) and place.is_closed

    def lag(self, place: Place) -> int:
        """Numbers that follow `place`."""
        assert isinstance(place, NumberPlace)
        return self._last - place.number


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
