"""A feed that is no file: what the contract carries beside logs."""

import asyncio
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
from server.sse.event import Event


@dataclass(frozen=True)
class Index:
    """Before the event with this number."""

    number: int

    @property
    def id(self) -> str:
        return str(self.number)


class MemoryFeed:
    """Events in a list. Of more than `most`, the oldest are forgotten."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._events: list[str] = []
        self._first = 0
        self._is_finished = False
        self._changed = asyncio.Condition()

    async def append(self, *events: str) -> None:
        async with self._changed:
            self._events += events
            forgotten = max(0, len(self._events) - self._most)
            del self._events[:forgotten]
            self._first += forgotten
            self._changed.notify_all()

    async def finish(self) -> None:
        async with self._changed:
            self._is_finished = True
            self._changed.notify_all()

    @property
    def end(self) -> Index:
        return Index(self._first + len(self._events))

    async def locate(self, start: Start) -> Index:
        if isinstance(start, AfterId):
            known = start.id.isdigit() and self._first <= int(start.id) <= self.end.number
            if not known:
                raise LostError(Index(self._first), "forgotten")
            return Index(int(start.id))
        if isinstance(start, Last):
            return Index(max(self._first, self.end.number - start.count))
        return Index(self._first)

    async def read(self, place: Place) -> Batch:
        assert isinstance(place, Index)
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_finished or not self.is_live(place))
        if self.is_live(place):
            raise FinishedError
        if place.number < self._first:
            oldest = Index(self._first)
            return Batch(place, Event("{}", id=oldest.id, name="gap").encode(), oldest, 1)
        text = self._events[place.number - self._first]
        after = Index(place.number + 1)
        if text == "":  # nothing for clients: only the place moves
            return Batch(place, b"", after, 0)
        return Batch(place, Event(text, id=after.id).encode(), after, 1)

    def subscribe(self, place: Place, push: Push | None = None) -> Reading:
        return Reading(self, place)

    def is_live(self, place: Place) -> bool:
        return isinstance(place, Index) and place.number >= self.end.number

    def lag(self, place: Place) -> int:
        assert isinstance(place, Index)
        return self.end.number - place.number
