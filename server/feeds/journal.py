"""The shared recent past of a log in memory: encoded once, read by every client."""

import asyncio
import time
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

from server.feeds.turns import Turns
from server.logs.generation import Block, Cursor, gap
from server.logs.logfile import LogFile
from server.logs.position import Position
from server.sse.event import END, Event

_ENOUGH = 64 * 1024
"""Bytes of frames that one read gives, give or take a block."""

_PIECE = 256 * 1024
"""Bytes of frames that one read from disk makes of lines of a hundred bytes, at the most."""

_FEW = 1000
"""Lines before the live end that are looked for in memory."""

_A_ROUND = 0.004
"""Seconds for which clients are handed new frames in one round of the event loop."""

Push = Callable[[memoryview], bool]
"""Takes frames, as one HTTP chunk, at once: True, or leaves them all: False."""


class Reader:
    """One client's place in the journal.

    `push` takes new blocks while the client has caught up; None if all is to be asked for.
    """

    __slots__ = ("begin", "cursor", "events", "more", "push")

    def __init__(self, push: Push | None = None) -> None:
        self.push = push
        self.cursor: Cursor | None = None
        self.begin = ""
        """The id after which it begins, once that is found."""
        self.events = 0
        """How many it has got."""
        self.more: asyncio.Future[None] | None = None
        """Its turn, when there is more to read; None if it does not wait for that."""


class Journal:
    """The events of `log`, for which up to `memory` bytes are used.

    Half of that holds the recent past, a quarter what was read back for clients that are
    further behind, at their own pace; the rest is for what is on its way.
    """

    def __init__(self, log: LogFile, memory: int) -> None:
        self.log = log
        self._memory = memory // 2  # the rest is for what is read back, and yet to be sent
        self._size = 0
        self._blocks: list[Block] = []
        self._places: list[tuple[int, int]] = []  # where each block begins
        self._waiting: set[Reader] = set()
        self._gathered: Block | None = None  # the last one, which many ask for
        self._readings: OrderedDict[Cursor, asyncio.Task[Block]] = OrderedDict()
        self._most_readings = max(1, memory // 4 // _PIECE)
        self._wanted: Counter[asyncio.Task[Block]] = Counter()  # how many wait for each
        self._has_news = self._is_handing_out = False
        self._turns = Turns()
        self.resumed_from_memory = self.resumed_from_disk = self.gaps = 0
        """How often clients came back, from where they read on, and what was gone."""

    async def follow(self) -> None:
        """Keep up with the log and hand out what is new, for ever."""
        await self.log.follow(self._append)

    # --- where a client begins --------------------------------------------------

    async def events(
        self,
        last_event_id: str | None,
        backlog: int,
        from_start: bool = False,
        reader: Reader | None = None,
    ) -> AsyncIterator[bytes]:
        """Frames after the event `last_event_id`, for ever, at the pace they are asked for.

        Without an id they begin `backlog` lines before the live end, or at the oldest
        line there is. An id that the log does not hold gets a `gap` event and the
        oldest line there is.

        `reader` is told how far it has come. What its `push` takes is passed over here.
        """
        reader = reader or Reader()
        if last_event_id is not None:
            position = Position.parse(last_event_id)
            cursor = await self._find(position) if position else None
            if cursor is None:
                self.gaps += 1
                cursor = await self.log.oldest()
                reader.events += 1
                yield gap(last_event_id, str(cursor.position), "not in the log", None)
        elif from_start:
            cursor = await self.log.oldest()
        else:
            cursor = self._back(backlog) or await self.log.back(backlog)
        reader.begin = str(cursor.position)
        if self._is_live(cursor):
            # So that a client that comes back before its first event misses none.
            yield Event(id=await self.log.id_of(cursor)).encode()
        while True:
            frames, cursor = await self.read(cursor, reader)
            yield frames

    def _back(self, lines: int) -> Cursor | None:
        """The place `lines` lines before the live end, if they are few and all in memory."""
        if not 0 < lines <= _FEW:
            return None
        generation, _ = self.log.end
        for block in reversed(self._blocks):
            if not (block.before.generation is block.after.generation is generation):
                return None
            in_block = block.frames.count(b"\nid: ") + block.frames.startswith(b"id: ")
            if lines == in_block:
                return block.before
            if lines < in_block:
                return Cursor(generation, _last_position(block, lines))
            lines -= in_block
        return None

    async def _find(self, position: Position) -> Cursor | None:
        """The place of `position`, in memory or on disk; None if it is nowhere."""
        cursor = self._remembered(position)
        if cursor:
            self.resumed_from_memory += 1
            return cursor
        cursor = await self.log.find(position)
        self.resumed_from_disk += cursor is not None
        return cursor

    def _remembered(self, position: Position) -> Cursor | None:
        """The place of `position` if it is in memory."""
        if not self._blocks:
            return None
        first, last = self._places[0][0], self._places[-1][0]
        for number in range(first, last + 1):
            index = bisect_left(self._places, (number, position.offset)) - 1
            if index < 0 or self._places[index][0] != number:
                continue
            block = self._blocks[index]
            if block.after.position == position:
                return block.after
            if _after(block, position) is not None:
                return Cursor(block.before.generation, position)
        return None

    # --- reading ----------------------------------------------------------------

    async def read(self, cursor: Cursor, reader: Reader | None = None) -> tuple[bytes, Cursor]:
        """Whole frames after `cursor`, and the place after them; waits when there are none."""
        reader = reader or Reader()
        reader.cursor = cursor
        if self._is_live(cursor):
            while self._is_live(reader.cursor):
                await self._wait(reader)
            cursor = reader.cursor
        else:
            await self._turns.take()
        _, frames, reader.cursor, events = await self._next(cursor)
        reader.events += events
        return frames, reader.cursor

    async def _next(self, cursor: Cursor) -> Block:
        """What follows `cursor`, from memory or from disk."""
        generation, position = cursor
        index = self._index(cursor)
        if index < len(self._blocks) and self._blocks[index].before == cursor:
            return self._gather(index)
        if index and self._blocks[index - 1].before.generation is generation:
            block = self._blocks[index - 1]
            frames = _after(block, position)
            if frames:
                return Block(cursor, frames, block.after, frames.count(END))
        return await self._read_back(cursor)

    async def _read_back(self, cursor: Cursor) -> Block:
        """What follows `cursor` on disk, read once for all who want it at about the same time.

        When many clients come back to a server that was restarted, none of what they
        have missed is in memory yet.
        """
        reading = self._readings.get(cursor)
        if reading is None:
            reading = asyncio.create_task(self.log.read(cursor))
            reading.add_done_callback(partial(self._keep_reading, cursor))
            self._readings[cursor] = reading
            if len(self._readings) > self._most_readings:
                self._readings.popitem(last=False)
        else:
            self._readings.move_to_end(cursor)
        self._wanted[reading] += 1
        try:
            return await asyncio.shield(reading)  # others wait for it, too
        finally:
            self._wanted[reading] -= 1
            if not self._wanted[reading]:
                del self._wanted[reading]
                if not reading.done():  # all have left
                    self._forget_reading(cursor, reading)
                    reading.cancel()

    def _keep_reading(self, cursor: Cursor, reading: "asyncio.Task[Block]") -> None:
        """Keep it for others if it was a success, is not large, and will always be true.

        What is lines stays lines. Where a file is missing, it may be there the next time.
        """
        if reading.cancelled() or reading.exception():
            self._forget_reading(cursor, reading)
            return
        block = reading.result()
        if block.after.generation is not cursor.generation or len(block.frames) > 4 * _PIECE:
            self._forget_reading(cursor, reading)

    def _forget_reading(self, cursor: Cursor, reading: "asyncio.Task[Block]") -> None:
        if self._readings.get(cursor) is reading:
            del self._readings[cursor]

    def _index(self, cursor: Cursor) -> int:
        """Which is the first block that begins at `cursor` or later."""
        place = (cursor.generation.number, cursor.position.offset)
        return bisect_left(self._places, place)

    def _is_live(self, cursor: Cursor) -> bool:
        """Whether nothing stands after `cursor` yet."""
        generation, end = self.log.end
        return cursor.generation is generation and cursor.position.offset >= end.offset

    def _gather(self, index: int) -> Block:
        """Enough blocks from `index` on, joined."""
        size, stop = 0, index
        while stop < len(self._blocks) and size < _ENOUGH:
            size += len(self._blocks[stop].frames)
            stop += 1
        blocks = self._blocks[index:stop]
        if len(blocks) == 1:
            return blocks[0]
        ends = (blocks[0].before, blocks[-1].after)
        if self._gathered is None or (self._gathered.before, self._gathered.after) != ends:
            frames = b"".join(block.frames for block in blocks)
            events = sum(block.events for block in blocks)
            self._gathered = Block(ends[0], frames, ends[1], events)
        return self._gathered

    async def _wait(self, reader: Reader) -> None:
        """Wait for more than what `reader` is handed while it waits."""
        reader.more = asyncio.get_running_loop().create_future()
        self._waiting.add(reader)
        try:
            await reader.more
        finally:
            self._waiting.discard(reader)
            reader.more = None

    def _append(self, block: Block) -> None:
        self._blocks.append(block)
        self._places.append((block.before.generation.number, block.before.position.offset))
        self._size += len(block.frames)
        if self._size > self._memory:
            self._evict()
        self._has_news = True
        if not self._is_handing_out:
            self._hand_out(iter(()))

    def _hand_out(self, readers: Iterator[Reader]) -> None:
        """Push what is new to `readers`, then to all who wait, until there is nothing new.

        Many clients take several rounds of the event loop. What comes meanwhile reaches
        those who come late in the same chunk.
        """
        while self._push(readers):
            self._is_handing_out, self._has_news = self._has_news, False
            if not self._is_handing_out:
                return
            readers = iter(list(self._waiting))
        asyncio.get_running_loop().call_soon(self._hand_out, readers)

    def _push(self, readers: Iterator[Reader]) -> bool:
        """Push each of them what follows its cursor; one who cannot take it gets a turn.

        False if it was time for others before the last of them.
        """
        until = time.monotonic() + _A_ROUND
        before, news, chunk = None, None, memoryview(b"")
        for reader in readers:
            if reader.more is None:
                continue  # it has left, or goes on by itself
            if reader.cursor != before:
                before = reader.cursor
                news = self._news_after(before)
                if news:
                    chunk = memoryview(b"%x\r\n%b\r\n" % (len(news.frames), news.frames))
            if news and reader.push and reader.push(chunk):
                reader.cursor = news.after
                reader.events += news.events
            else:
                self._turns.add(reader.more)
                reader.more = None
            if time.monotonic() > until:
                return False
        return True

    def _news_after(self, cursor: Cursor | None) -> Block | None:
        """All that follows `cursor`, if that is in memory and not much."""
        index = self._index(cursor) if cursor else len(self._blocks)
        if index == len(self._blocks) or self._blocks[index].before != cursor:
            return None
        news = self._gather(index)
        return news if self._is_live(news.after) else None

    def _evict(self) -> None:
        """Drop the oldest eighth, so that the lists are not shifted for every block."""
        index = 0
        while self._size > self._memory * 7 // 8 and index < len(self._blocks) - 1:
            self._size -= len(self._blocks[index].frames)
            index += 1
        del self._blocks[:index], self._places[:index]


def _after(block: Block, position: Position) -> bytes | None:
    """The frames of `block` that follow the line that ends at `position`, None if it has none."""
    id = b"id: %b\n" % str(position).encode()
    start = 0 if block.frames.startswith(id) else block.frames.find(b"\n" + id)
    if start < 0:
        return None
    return block.frames[block.frames.index(b"\n\n", start) + 2 :]


def _last_position(block: Block, lines: int) -> Position:
    """The position before the last `lines` lines of `block`, which has more than these."""
    start = len(block.frames)
    for _ in range(lines + 1):
        start = max(0, block.frames.rfind(b"\nid: ", 0, start))
    id = block.frames[start:].lstrip(b"\n").removeprefix(b"id: ").partition(b"\n")[0]
    position = Position.parse(id.decode())
    assert position
    return position
