"""Several logs as one feed: new lines as they come, history in the order of the lines' times."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf

from server.feeds.composite import others_in, tag_of
from server.feeds.contract import (
    MOST_LOGS,
    AfterId,
    Batch,
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
from server.feeds.merged_history import MergedHistory, not_served
from server.feeds.merged_place import (
    PENDING,
    Left,
    MergedBlock,
    MergedPlace,
    Pending,
    has_read_out,
    part_of,
)
from server.feeds.merged_recent import MergedRecent
from server.feeds.merging import Chunks
from server.feeds.readings import Readings
from server.feeds.served import ServedLog
from server.feeds.subscription import PushedSubscription
from server.filters.filter import Selection
from server.logs.follower import Publish
from server.logs.generation import LogBatch, gap, is_behind
from server.logs.generation import Place as LogPlace
from server.sse.event import control_event, told

TOGETHER = 0.005
"""Seconds between two rounds in which clients are handed new lines, at the least: under load, each
client gets those of many logs in one piece, and a line that comes alone does not wait."""

MOST_LEFT = 1000
"""Logs that were merged once of which it is known where they were left."""


class MergedFeed:
    """The lines of several logs as JSON objects with the names of their logs.

    backlog: lines that a client gets of logs that it did not read before.
    memory: bytes that are used, half of them for new lines that some clients have yet to get, and
        a quarter each for what was read of the logs and for what clients that are behind share.
    served: gives the names of all logs that are served, also of those that are not merged here.
    selection: finds the lines that are wanted; None if all of them are.
    """

    def __init__(
        self,
        max_line: int,
        backlog: int,
        memory: int,
        served: Callable[[], Iterable[str]] = tuple,
        selection: Selection | None = None,
    ) -> None:
        self._served = served
        self._logs: dict[str, ServedLog] = {}
        self._left: OrderedDict[str, Left] = OrderedDict()
        self._listeners: dict[str, Publish] = {}
        self.expected: set[str] = set()
        """The names of logs that are to be added, or were."""
        self._backlog = backlog
        self._chunks = Chunks(max_line, selection)
        self._history = MergedHistory(self._logs, self._left, self._chunks, memory // 4)
        self._end = MergedPlace({}, 0)
        self._has_begun = self._is_telling = False
        self._told = 0.0  # when clients were handed what was new, on the event loop's clock
        self._recent = MergedRecent(memory // 2)
        self._readings = Readings(self._read_back, _lasts, memory // 4)
        self._queue = FairQueue()
        self._fanout = Fanout(self._news, self._queue)
        self.has_failed = False
        """Whether a log of it is followed no more because of an error."""

    def resize(self, memory: int) -> None:
        """Use up to `memory` bytes from now on."""
        self._recent.resize(memory // 2)
        self._readings.resize(memory // 4)
        self._history.resize(memory // 4)

    @property
    def names(self) -> list[str]:
        """The logs that are merged now."""
        return sorted(self._logs)

    # --- the logs -----------------------------------------------------------------------

    def begin(self) -> None:
        """Let clients come. Logs that are added from now on join."""
        self._has_begun = True

    async def add(self, log: ServedLog) -> None:
        """Merge a log from its live end on, or join it if clients may have come."""
        await log.log.places.back(0)  # from then on its end has the id by which it is resumed
        if self._has_begun:
            await self._join(log)
            return
        self._take(log, log.log.end)
        self._listen(log)

    async def _join(self, log: ServedLog) -> None:
        """Merge a log that has appeared, from its first line on, and tell all clients.

        One that had left goes on where it was.
        """
        old = self._logs.get(log.name)
        if old:
            self.remove(old)
        place, why = await self._history.start_of(log, inf)
        self._left.pop(log.name, None)
        before = self._end
        self._take(log, place)
        said = control_event("log-added", log=log.name)
        if why:
            said += told("gap", {"log": log.name, **gap("", place, why)})
        end, self._end = self._end, before
        self._append(said, end.places, 1 + bool(why))
        while is_behind(place, log.log.end):
            await self._queue.wait()
            batch = await log.log.read(place)
            if self._logs.get(log.name) is not log:
                return
            self._publish(log.name, batch)
            place = batch.end
        self._listen(log)

    def _take(self, log: ServedLog, place: LogPlace) -> None:
        self._logs[log.name] = log
        log.tellers.append(self._say)
        log.failers.append(self.fail)
        joined = self._history.join(log.name)
        self._readings.clear()
        self._end = MergedPlace({**self._end.places, log.name: place}, self._end.number, joined)

    def remove(self, log: ServedLog) -> None:
        """Merge a log no more, if it is merged, and tell all clients.

        Those who are behind read it to its end, until it is to be forgotten.
        """
        name = log.name
        if self._logs.get(name) is not log:
            return
        del self._logs[name]
        log.tellers.remove(self._say)
        log.failers.remove(self.fail)
        listener = self._listeners.pop(name, None)
        if listener:
            log.ignore(listener)
        self._readings.clear()
        self._left[name] = Left(log, self._end.places[name])
        while len(self._left) > MOST_LEFT:
            self._left.popitem(last=False)
        places = {other: place for other, place in self._end.places.items() if other != name}
        self._append(control_event("log-removed", log=name), places, 1)

    def forget(self, log: ServedLog) -> None:
        """Read nothing more of a log that was removed: it is going to be closed."""
        left = self._left.get(log.name)
        if left and left.log is log:
            self._left[log.name] = left._replace(log=None)
        self._history.forget(log)

    def fail(self, error: Exception) -> None:
        """End all subscriptions that wait, now and from now on: a log can't be followed."""
        self.has_failed = True
        self._fanout.fail(error)

    def _listen(self, log: ServedLog) -> None:
        listener = self._listeners[log.name] = partial(self._publish, log.name)
        log.listen(listener)

    def _say(self, log: str, event: str, details: Mapping[str, object]) -> None:
        """Hand out an event of a log that has no place."""
        self._fanout.say(told(event, {"log": log, **details}))

    # --- what is new --------------------------------------------------------------------

    def _publish(self, name: str, batch: LogBatch) -> None:
        """Take what follows the live end of one log, and hand it out."""
        if not is_behind(self._end.places[name], batch.end):
            return  # it was read back before it was published
        parts = dict(self._end.parts)
        frames, events = list[bytes](), 0
        for item in self._chunks.untimed(name, batch).items:
            parts[name] = part_of(name, item.end)
            frames.append(self._chunks.with_id(item.frames, "".join(parts.values())))
            events += item.events
        self._append(b"".join(frames), {**self._end.places, name: batch.end}, events, parts)

    def _append(
        self,
        frames: bytes,
        places: Mapping[str, LogPlace],
        events: int,
        parts: dict[str, str] | None = None,
    ) -> None:
        assert self._end.number is not None
        end = MergedPlace(places, self._end.number + 1, self._history.joined)
        if parts:
            end.parts = parts  # which need not be worked out again
        self._recent.append(MergedBlock(self._end, frames, end, events))
        self._end = end
        if not self._is_telling:
            self._is_telling = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._told + TOGETHER), self._tell)

    def _tell(self) -> None:
        self._is_telling = False
        self._told = asyncio.get_running_loop().time()
        self._fanout.tell()

    def _news(self, place: Place) -> MergedBlock | None:
        assert isinstance(place, MergedPlace)
        return self._recent.news(place)

    # --- the contract -------------------------------------------------------------------

    @property
    def end(self) -> MergedPlace:
        return self._end

    async def locate(self, start: Start) -> MergedPlace:
        """See `Feed.locate`."""
        gone: list[str] = []
        if isinstance(start, Last):
            place = await self._history.back(start.count)
        elif isinstance(start, Since):
            place, gone = await self._history.since(start.moment)
        elif isinstance(start, AfterId):
            found = await self._history.after(start.id, self._backlog)
            place, gone = found or await self._history.oldest()
            if found:
                place, missing = self._with_pending(place, start.id)
                gone = [*gone, not_served(missing)] if missing else gone
            else:
                gone = ["not in these logs"]
        else:
            place, gone = await self._history.oldest()
        if gone:
            raise LostError(place, "; ".join(gone))
        return _as_end(place, self._end)

    def _with_pending(self, place: MergedPlace, id: str) -> tuple[MergedPlace, int]:
        """The place, with what the id says of logs that have yet to come, and how many have gone.

        A log that nobody knows here may be one that another server has found earlier. Logs that
        are served, but not in this stream, are not missed.
        """
        read_out = {name for name, left in self._left.items() if has_read_out(id, name, left)}
        elsewhere = {*self._served()} - self.expected
        others = others_in(id, {*place.places, *elsewhere, *read_out})
        gone = set(map(tag_of, self._left.keys() - self.expected - read_out)) & others.keys()
        most = MOST_LOGS - len(place.places)
        kept = [(tag, one) for tag, one in others.items() if tag not in gone][:most]
        if kept:
            pending = Pending(dict(kept), time.monotonic() + PENDING)
            place = MergedPlace(place.places, joined=place.joined, pending=pending)
        return place, len(others) - len(kept)

    async def read(self, place: Place) -> Batch:
        """See `Feed.read`."""
        return await self.read_for(Waiter(place, None))

    async def read_for(self, waiter: Waiter) -> Batch:
        """What follows the place of `waiter`, when it is its turn to read that."""
        if not self.is_live(waiter.place):
            await self._queue.wait(is_near=self._news(waiter.place) is not None)
        while self.is_live(waiter.place):
            await self._wait(waiter)
        place = waiter.place
        assert isinstance(place, MergedPlace)
        return self._recent.read(place) or await self._readings.get(place)

    async def read_up_to(self, place: Place, end: Place) -> MergedBlock:
        """See `Bounded.read_up_to`. Logs that have come since `end` are not read."""
        assert isinstance(place, MergedPlace)
        assert isinstance(end, MergedPlace)
        ends = {name: one for name, one in end.places.items() if name in self._logs}
        if not any(
            name in place.places and is_behind(place.places[name], one)
            for name, one in ends.items()
        ):
            raise FinishedError
        await self._queue.wait()
        return await self._history.read(place, MergedPlace(ends, joined=end.joined))

    async def _read_back(self, place: MergedPlace) -> MergedBlock:
        """Read what follows a place, up to where memory holds the rest."""
        end = self._recent.entry(place, self._end)
        block = await self._history.read(place, end)
        return block._replace(end=_as_end(block.end, end))

    async def _wait(self, waiter: Waiter) -> None:
        """Wait for news, or until the client is to be told that logs do not come any more."""
        place = waiter.place
        assert isinstance(place, MergedPlace)
        patience = asyncio.timeout(place.pending.left if place.pending else None)
        try:
            async with patience:
                await self._fanout.wait(waiter)
        except TimeoutError:
            if not patience.expired():
                raise

    def is_live(self, place: Place) -> bool:
        """See `Feed.is_live`. A client may be ahead of what was published of a log."""
        assert isinstance(place, MergedPlace)
        if place is self._end:
            return True
        if place.pending and place.pending.left <= 0:
            return False
        places, ends = place.places, self._end.places
        return places.keys() == ends.keys() and not any(
            self._history.is_stale(place, name) or is_behind(places[name], end)
            for name, end in ends.items()
        )

    def lag(self, place: Place) -> int:
        """Bytes of the logs that follow `place`, of each as `LogFeed.lag` has it."""
        assert isinstance(place, MergedPlace)
        return sum(
            log.log.lag(place.places[name])
            for name, log in self._logs.items()
            if name in place.places
        )

    def subscribe(self, place: Place, push: Push | None = None) -> PushedSubscription:
        """See `Feed.subscribe`."""
        return PushedSubscription(self, place, push)


def _as_end(place: MergedPlace, end: MergedPlace) -> MergedPlace:
    """What is, or was, the live end itself, if the place is that: what follows is in memory."""
    return end if place == end else place


def _lasts(place: MergedPlace, block: MergedBlock) -> bool:
    """Lines do not change. A log of which nothing could be read may be well the next time."""
    return block.end != place and not place.pending and block.end.is_in_files_of(place)
