"""A log as a feed: its recent past from memory, the rest from disk, new lines as they come."""

from collections import Counter

from server.feeds.composite import position_in
from server.feeds.contract import (
    UNTIMED,
    AfterId,
    FinishedError,
    Last,
    LostError,
    Place,
    Push,
    Since,
    Start,
)
from server.feeds.fairness import FairQueue
from server.feeds.fanout import Fanout, Waiter
from server.feeds.readings import Readings
from server.feeds.recent import Block, Recent
from server.feeds.subscription import PushedSubscription
from server.filters.backwards import Backwards
from server.filters.encoder import SelectingEncoder
from server.filters.filter import Selection
from server.logs.encoding import Encoder
from server.logs.generation import Change, Lines, LogBatch, is_behind
from server.logs.generation import Place as LogPlace
from server.logs.log import Log
from server.logs.moments import UntimedError
from server.logs.places import GoneError, unless_cut_off
from server.sse.event import control_event


class LogFeed:
    """The events of `log` in the form that `encode` gives them.

    What `publish` is given is new. Up to `memory` bytes are used: half of that holds the recent
    past, a quarter what was read back for clients that are further behind; the rest is for what
    is on its way. `selection` finds the lines that are wanted; without it all of them are.
    """

    def __init__(
        self, log: Log, encode: Encoder, memory: int, selection: Selection | None = None
    ) -> None:
        self.log = log
        self._encode = SelectingEncoder(encode, selection) if selection else encode
        self._back = Backwards(log, selection).back if selection else log.places.back
        self._seek = selection.seek if selection else None
        self.recent = Recent(memory // 2)
        self._readings = Readings(self._read_back, _lasts, memory // 4)
        self._queue = FairQueue()
        self._fanout = Fanout(self._news, self._queue)
        self.counters: Counter[str] = Counter()
        """How often clients came back, from where they read on, and what was gone."""

    def resize(self, memory: int) -> None:
        """Use up to `memory` bytes from now on."""
        self.recent.resize(memory // 2)
        self._readings.resize(memory // 4)

    def publish(self, batch: LogBatch) -> None:
        """Take what follows the live end, and hand it out."""
        self.recent.append(self._block(batch))
        self._fanout.tell()

    def say(self, frames: bytes) -> None:
        """Hand out an event that has no place. Who has not caught up goes without."""
        self._fanout.say(frames)

    def fail(self, error: Exception) -> None:
        """End all subscriptions that wait, now and from now on, by an error."""
        self._fanout.fail(error)

    def _block(self, batch: LogBatch) -> Block:
        if isinstance(batch, Change):
            # Only a gap has an id: the place it goes on from, so that it is told once.
            id = batch.end.id if batch.is_gap else None
            return Block(
                batch.start, control_event(batch.name, id=id, **batch.details), batch.end, 1
            )
        frames = self._encode(batch.batch)
        return Block(batch.start, frames.data, batch.end, frames.events)

    # --- places -----------------------------------------------------------------------------

    @property
    def end(self) -> LogPlace:
        return self.log.end

    async def locate(self, start: Start) -> LogPlace:
        """See `Feed.locate`."""
        places = self.log.places
        try:
            if isinstance(start, AfterId):
                return await self._after(start.id)
            if isinstance(start, Since):
                return await self.log.moments.find(start.moment)
            if isinstance(start, Last):
                place = self.recent.back(self.end, start.count)
                return place or await self._back(start.count)
            return await places.oldest()
        except GoneError as error:
            self.counters["gaps"] += 1
            raise LostError(error.place, error.why) from None
        except UntimedError:
            raise LostError(await places.back(0), UNTIMED) from None

    async def _after(self, id: str) -> LogPlace:
        position = position_in(id, self.log.name)
        if position is None:
            raise GoneError(await self.log.places.oldest(), "not in the log")
        place = self.recent.find(position)
        if place:
            self.counters["resumes_memory"] += 1
            return unless_cut_off(place)
        place = await self.log.places.find(position)
        self.counters["resumes_disk"] += 1
        return place

    def is_live(self, place: Place) -> bool:
        assert isinstance(place, LogPlace)
        generation, end = self.log.end
        return place.generation is generation and place.position.offset >= end.offset

    def lag(self, place: Place) -> int:
        """Bytes of the log that follow `place`: see `Log.lag`."""
        assert isinstance(place, LogPlace)
        return self.log.lag(place)

    # --- reading ----------------------------------------------------------------------------

    async def read(self, place: Place) -> Block:
        """See `Feed.read`."""
        assert isinstance(place, LogPlace)
        return await self.read_for(Waiter(place, None))

    async def read_for(self, waiter: Waiter) -> Block:
        """What follows the place of `waiter`, when it is its turn to read that."""
        if not self.is_live(waiter.place):
            await self._queue.wait(is_near=self._news(waiter.place) is not None)
        while self.is_live(waiter.place):
            await self._fanout.wait(waiter)
        place = waiter.place
        assert isinstance(place, LogPlace)
        return self.recent.read(place) or await self._readings.get(place)

    async def read_up_to(self, place: Place, end: Place) -> Block:
        """See `Bounded.read_up_to`."""
        assert isinstance(place, LogPlace)
        assert isinstance(end, LogPlace)
        if not is_behind(place, end):
            raise FinishedError
        await self._queue.wait()
        batch = await self.log.read(place, self._seek)
        generation, position = batch.end
        if generation is not end.generation or position.offset <= end.position.offset:
            return self._block(batch)
        if not isinstance(batch, Lines) or batch.batch.is_cut:
            raise FinishedError
        length = min(end.position.offset - place.position.offset, len(batch.batch.lines))
        return self._block(Lines(place, batch.batch.part(0, length), end))

    async def _read_back(self, place: LogPlace) -> Block:
        return self._block(await self.log.read(place, self._seek))

    def _news(self, place: Place) -> Block | None:
        assert isinstance(place, LogPlace)
        return self.recent.news(place)

    def subscribe(self, place: Place, push: Push | None = None) -> PushedSubscription:
        """See `Feed.subscribe`."""
        assert isinstance(place, LogPlace)
        return PushedSubscription(self, place, push)


def _lasts(place: LogPlace, block: Block) -> bool:
    """Lines do not change. A file that is missing may be there the next time."""
    return block.end.generation is place.generation
