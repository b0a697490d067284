"""A feed up to a place: it ends there, though more may follow."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from server.feeds.contract import (
    Batch,
    Feed,
    FinishedError,
    LostError,
    Place,
    Push,
    Reading,
    Since,
    Start,
)
from server.logs.moment import Moment
from server.sse.event import control_event


class Bounded(Feed, Protocol):
    """A feed that can be read up to a place."""

    async def read_up_to(self, place: Place, end: Place) -> Batch:
        """Read what follows `place`, up to `end`.

        Raises FinishedError at `end`, or if the place lies behind it.
        """


@dataclass(frozen=True, slots=True)
class Closed:
    """After the event `close`, which the client at this place has got."""

    id: str


class EndingFeed:
    """What `feed` has up to `end`, then the event `close`."""

    def __init__(self, feed: Bounded, end: Place) -> None:
        self._feed = feed
        self._end = end

    @property
    def end(self) -> Place:
        return self._end

    async def locate(self, start: Start) -> Place:
        """See `Feed.locate`."""
        return await self._feed.locate(start)

    async def read(self, place: Place) -> Batch:
        """See `Feed.read`."""
        if isinstance(place, Closed):
            raise FinishedError
        try:
            return await self._feed.read_up_to(place, self._end)
        except FinishedError:
            close = control_event("close", reason="finished")
            return Batch(place, close, Closed(place.id), 1)

    def subscribe(self, place: Place, push: Push | None = None) -> Reading:
        """See `Feed.subscribe`."""
        return Reading(self, place)

    def is_live(self, place: Place) -> bool:
        """See `Feed.is_live`: the event `close` follows at the least."""
        return isinstance(place, Closed)

    def lag(self, place: Place) -> int:
        """See `Feed.lag`."""
        return 0 if isinstance(place, Closed) else self._feed.lag(place)


@asynccontextmanager
async def ending(
    opening: AbstractAsyncContextManager[Feed], until: Moment
) -> AsyncIterator[EndingFeed]:
    """The feed that `opening` opens, up to the first line of a moment.

    Of a log whose lines name no times, up to its live end.
    """
    async with opening as feed:
        try:
            end = await feed.locate(Since(until))
        except LostError as lost:
            end = lost.place
        yield EndingFeed(feed, end)  # type: ignore[arg-type]
