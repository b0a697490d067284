"""A log as a feed: its recent past from memory, the rest from disk, new lines as they come."""

import shutil
from collections.abc import AsyncIterator

from server.feeds.contract import AfterId, Last, LostError, Place, Push, Start, Status
from server.feeds.fairness import FairQueue
from server.feeds.fanout import Fanout, Waiter
from server.feeds.readings import Readings
from server.feeds.recent import Block, Recent
from server.logs.encoding import Encoder
from server.logs.generation import Change, LogBatch
from server.logs.generation import Place as LogPlace
from server.logs.log import Log, RawLog
from server.logs.places import GoneError
from server.logs.position import Position
from server.sse.event import control_event


class LogFeed:
    """The events of `log` in the form that `encode` gives them.

    Up to `memory` bytes are used: half of that holds the recent past, a quarter what was read
    back for clients that are further behind; the rest is for what is on its way.
    """

    def __init__(self, log: Log, encode: Encoder, memory: int) -> None:
        self.log = log
        self._encode = encode
        self.recent = Recent(memory // 2)
        self._readings = Readings(self._read_back, memory // 4)
        self._queue = FairQueue()
        self._fanout = Fanout(self._news, self._queue)
        self.resumed_from_memory = self.resumed_from_disk = self.gaps = 0
        """How often clients came back, from where they read on, and what was gone."""

    async def follow(self) -> None:
        """Keep up with the log and hand out what is new, for ever."""
        await self.log.follow(self._publish)

    def _publish(self, batch: LogBatch) -> None:
        self.recent.append(self._block(batch))
        self._fanout.tell()

    def _block(self, batch: LogBatch) -> Block:
        if isinstance(batch, Change):
            # Only a gap has an id: the place it goes on from, so that it is told once.
            id = batch.end.id if batch.is_gap else None
            return Block(
                batch.start, control_event(batch.name, id=id, **batch.details), batch.end, 1
            )
        frames = self._encode(batch.batch)
        return Block(batch.start, frames.data, batch.end, frames.events)

    # --- what is told of the log -----------------------------------------------------------

    @property
    def name(self) -> str:
        return self.log.name

    def status(self) -> Status:
        """See `LogSource.status`."""
        log, follower = self.log, self.log.follower
        try:
            free: int | None = shutil.disk_usage(log.path.parent).free
        except OSError:
            free = None
        return Status(
            problem=log.problem,
            is_tailed=follower.is_tailed,
            progress=(log.end, follower.taken),
            end=log.end.id,
            size=log.size or 0,
            unread=log.unread,
            free=free,
            quiet=follower.quiet,
            counters={
                "resumes_memory": self.resumed_from_memory,
                "resumes_disk": self.resumed_from_disk,
                "gaps": self.gaps + log.gaps,
                "rotations": follower.rotations,
                "truncations": follower.truncations,
                "tail_restarts": follower.tail_restarts,
            },
        )

    async def describe(self) -> dict[str, object]:
        """See `LogSource.describe`."""
        return await self.log.describe()

    def raw(self) -> RawLog | None:
        """See `LogSource.raw`."""
        return self.log.raw()

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
            if isinstance(start, Last):
                place = self.recent.back(self.end, start.count)
                return place or await places.back(start.count)
            return await places.oldest()
        except GoneError as error:
            self.gaps += 1
            raise LostError(error.place, error.why) from None

    async def _after(self, id: str) -> LogPlace:
        position = Position.parse(id)
        if position is None:
            raise GoneError(await self.log.places.oldest(), "not in the log")
        place = self.recent.find(position)
        if place:
            self.resumed_from_memory += 1
            return place
        place = await self.log.places.find(position)
        self.resumed_from_disk += 1
        return place

    def is_live(self, place: Place) -> bool:
        assert isinstance(place, LogPlace)
        generation, end = self.log.end
        return place.generation is generation and place.position.offset >= end.offset

    def lag(self, place: Place) -> int:
        """Bytes of the log that follow `place`; of older files only those of its own."""
        assert isinstance(place, LogPlace)
        generation, end = self.log.end
        if place.generation is not generation:
            end = place.generation.end or end
            return max(1, end.offset - place.position.offset)
        return max(0, end.offset - place.position.offset)

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

    async def _read_back(self, place: LogPlace) -> Block:
        return self._block(await self.log.read(place))

    def _news(self, place: Place) -> Block | None:
        assert isinstance(place, LogPlace)
        return self.recent.news(place)

    def subscribe(self, place: Place, push: Push | None = None) -> "LogSubscription":
        """See `Feed.subscribe`."""
        assert isinstance(place, LogPlace)
        return LogSubscription(self, place, push)


class LogSubscription(Waiter):
    """One client's way through a log: pushed to while it has caught up, else it reads."""

    __slots__ = ("_feed",)

    def __init__(self, feed: LogFeed, place: LogPlace, push: Push | None) -> None:
        super().__init__(place, push)
        self._feed = feed

    def __aiter__(self) -> AsyncIterator[Block]:
        return self

    async def __anext__(self) -> Block:
        batch = await self._feed.read_for(self)
        self.place = batch.end
        self.events += batch.events
        return batch

    def close(self) -> None:
        """See `Subscription.close`."""
        self.push = None
