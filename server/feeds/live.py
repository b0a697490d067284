"""The simplest feed: what comes, comes once, to one client."""

from collections.abc import AsyncIterator

from server.feeds.contract import Batch, FinishedError, Place, Push, Reading, Start
from server.sse.event import Event


class LiveFeed:
    """A feed of what `events` gives as it comes: nothing is kept, and nobody can go back."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events
        self._place = LivePlace()

    @property
    def end(self) -> Place:
        return self._place

    async def locate(self, start: Start) -> Place:
        return self._place

    async def read(self, place: Place) -> Batch:
        """See `Feed.read`."""
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            raise FinishedError from None
        return Batch(place, event.encode(), place, 1)

    def subscribe(self, place: Place, push: Push | None = None) -> Reading:
        return Reading(self, place)

    def is_live(self, place: Place) -> bool:
        return False

    def lag(self, place: Place) -> int:
        return 0


class LivePlace:
    """The only place in a feed that keeps nothing. Its id resets a client's last event id."""

    def __init__(self) -> None:
        self.id = ""
