"""Pages of a log's lines: before a place, after it, or around it, through all files.

Where a page begins that ends at a place is looked for backwards, in threads, a step at a time. Then
its lines are read forwards, as they are for streams, so that both tell the same of them.
"""

import asyncio
import math
import time
from itertools import chain
from typing import NamedTuple

from server.feeds.composite import position_in
from server.feeds.contract import CannotReadError, LostError, Page, PageWish
from server.feeds.page import Entry, Gathering, gap, gap_of, up_to, without_begun
from server.filters.backwards import Backwards
from server.filters.filter import Selection
from server.logs.generation import Change, Place
from server.logs.history import GONE
from server.logs.lines import LineBatch
from server.logs.log import Log
from server.logs.moments import MOST_FILES
from server.logs.places import GoneError
from server.logs.position import START, Position

ROOM = 4 * 1024 * 1024
"""Bytes of a page, at the most, and of the log's lines on it; one line may come on top of that."""

MOST = 256 * 1024 * 1024
"""Bytes of the log that are looked at for one page in each direction, at the most."""

SECONDS = 5.0
"""Seconds for which wanted lines are looked for in each direction."""

PATIENCE = 3.0
"""Seconds for which a log is waited for that is being rotated: then the page ends there."""

MOST_SECONDS = 30.0
"""Seconds that a page may take."""


async def page_of(log: Log, max_line: int, wish: PageWish) -> Page:
    """The page of a log that is wished for: see `LogSource.page`."""
    selection = Selection(wish.filter, max_line) if wish.filter else None
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _Paging(log, max_line, selection).page(wish)
    except GoneError as error:
        raise LostError(error.place, error.why) from None
    except TimeoutError:
        raise CannotReadError(log.path, "that takes too long at the moment") from None


class _Part(NamedTuple):
    """A part of a page: what follows `first`, up to `last`."""

    entries: tuple[Entry, ...]
    lines: int
    first: str
    last: Place
    more_before: bool


class _Paging:
    """Makes a page of a log, of the lines that `selection` wants."""

    def __init__(self, log: Log, max_line: int, selection: Selection | None) -> None:
        self._log = log
        self._max_line = max_line
        self._selection = selection
        self._seek = selection.seek if selection else None
        self._room = ROOM

    async def page(self, wish: PageWish) -> Page:
        place, begin = await self._locate(wish.id)
        count = {"before": wish.limit, "around": (wish.limit + 1) // 2}.get(wish.side, 0)
        part = await (self._before(place, count) if count else self._none_before(place))
        rest: tuple[Entry, ...] = ()
        last = part.last
        if wish.side != "before":
            gathering = self._gathering(wish.limit - part.lines, self._room)
            last = await self._read(part.last, gathering, MOST, time.monotonic() + SECONDS)
            rest = tuple(gathering.entries)
        last = await self._log.places.with_id(last)
        entries = [entry.data for entry in chain(begin, part.entries, rest)]
        return Page(entries, part.first, last.id, part.more_before, not self._is_live(last))

    async def _locate(self, id: str | None) -> tuple[Place, tuple[Entry, ...]]:
        """The place after an event, and what is to be told before that.

        Raises GoneError if the log does not hold it.
        """
        places = self._log.places
        if id is None:
            return await places.with_id(self._log.end), ()
        position = position_in(id, self._log.name)
        if position is not None and position != START:
            return await places.find_now(position), ()
        place, told = await self._oldest()
        if position is None:
            raise GoneError(place, "not in the log")
        return place, told

    async def _oldest(self) -> tuple[Place, tuple[Entry, ...]]:
        """The oldest line there is, and that older ones cannot be read, if that is so."""
        try:
            return await self._log.places.find_now(START), ()
        except GoneError as error:
            return error.place, (gap(error.place.id, error.why),)

    # --- backwards --------------------------------------------------------------------------

    async def _none_before(self, place: Place) -> _Part:
        is_start = place.position == START
        more = not is_start or await self._log.places.preceding(place) is not None
        return _Part((), 0, place.id, place, more)

    async def _before(self, end: Place, count: int) -> _Part:
        """The last `count` lines wanted before a place."""
        view = await Backwards(self._log, self._selection, MOST, SECONDS).look(
            end, count, self._room
        )
        begin, told = view.place, tuple[Entry, ...]()
        more = not view.is_gone
        if view.is_gone:
            told = (gap(begin.id, GONE),)
        elif begin.position == START:
            older = await self._log.places.preceding(begin)
            more = older is not None
            if older:
                begin = older  # what is gone in between is told on the way from there
            else:
                _, told = await self._oldest()
        gathering = self._gathering(count, self._room, keeps_last=True)
        last = await self._read(begin, gathering, view.looked, math.inf, end)
        if gathering.dropped is not None:
            told, more = (), True
        self._room = max(1, self._room - gathering.bytes)
        entries = (*told, *gathering.entries)
        return _Part(entries, gathering.lines, gathering.dropped or begin.id, last, more)

    # --- forwards ---------------------------------------------------------------------------

    def _gathering(self, count: int, room: int, *, keeps_last: bool = False) -> Gathering:
        return Gathering(count, room, self._max_line, self._selection, keeps_last=keeps_last)

    async def _read(
        self,
        place: Place,
        gathering: Gathering,
        left: int,
        deadline: float,
        end: Place | None = None,
    ) -> Place:
        """Gather what follows a place, up to `end` or to the live end, and tell how far that was.

        About `left` bytes are looked at. With `end`, a line that has begun before `place` does not
        count. Raises TimeoutError if what stands before `end` cannot be read now.
        """
        log, changes, is_first = self._log, 0, end is not None
        while not (gathering.is_full or self._is_live(place) or (end and _reaches(place, end))):
            if left <= 0 or changes > MOST_FILES or time.monotonic() > deadline:
                break
            try:
                async with asyncio.timeout(PATIENCE):
                    read = await log.read_now(place, self._seek)
            except TimeoutError:
                if end:
                    raise  # who goes on before the page would miss what is not on it
                break
            if isinstance(read, Change):
                if read.is_gap:
                    gathering.add(gap_of(read))
                place, changes = read.end, changes + 1
                continue
            batch = without_begun(read.batch) if is_first else read.batch
            is_first = False
            position = await log.threads.counters.run(_take, gathering, batch, place, end)
            left -= position.offset - place.position.offset
            place = Place(read.end.generation, position)
        return place

    def _is_live(self, place: Place) -> bool:
        generation, end = self._log.end
        return place.generation is generation and place.position.offset >= end.offset


def _take(gathering: Gathering, batch: LineBatch, place: Place, end: Place | None) -> Position:
    """It belongs in a thread: a batch has thousands of lines."""
    if end and place.generation is end.generation:
        batch = up_to(batch, end.position.offset)
    return gathering.take(batch)


def _reaches(place: Place, end: Place) -> bool:
    return place.generation is end.generation and place.position.offset >= end.position.offset
