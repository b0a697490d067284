"""The recent past of a log in memory: encoded once, read by every client."""

from bisect import bisect_left

from server.feeds.contract import Batch
from server.logs.generation import Place
from server.logs.position import Position
from server.sse.event import END
from server.sse.frames import after_id, count_ids, id_before

ENOUGH = 64 * 1024
"""Bytes of frames that one read gives, give or take a block."""

FEW = 1000
"""Lines before the live end that are looked for in memory."""

OVERHEAD = 700
"""Bytes that a block takes beside its frames, so that many small ones are counted, too."""


class Block(Batch):
    """A batch of a log's events, between places of the log."""

    __slots__ = ()
    start: Place
    end: Place


class Recent:
    """The last blocks of a log, of up to `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._blocks: list[Block] = []
        self._places: list[tuple[int, int]] = []  # where each block begins
        self._gathered: Block | None = None  # the last one, which many ask for

    def append(self, block: Block) -> None:
        """Keep a block that follows the last one."""
        self._blocks.append(block)
        self._places.append((block.start.generation.number, block.start.position.offset))
        self._size += len(block.frames) + OVERHEAD
        self._evict()

    def _evict(self) -> None:
        """Drop the oldest eighth where it is too much; the lists are not shifted for each block."""
        if self._size <= self._most:
            return
        index = 0
        while self._size > self._most * 7 // 8 and index < len(self._blocks) - 1:
            self._size -= len(self._blocks[index].frames) + OVERHEAD
            index += 1
        del self._blocks[:index], self._places[:index]

    def resize(self, most: int) -> None:
        """Keep up to `most` bytes from now on."""
        self._most = most
        self._evict()

    @property
    def size(self) -> int:
        """Bytes that the blocks take."""
        return self._size

    # --- places ---------------------------------------------------------------------------

    def find(self, position: Position) -> Place | None:
        """The place of `position` if it is in memory."""
        if not self._blocks:
            return None
        first, last = self._places[0][0], self._places[-1][0]
        for number in range(first, last + 1):
            index = bisect_left(self._places, (number, position.offset)) - 1
            if index < 0 or self._places[index][0] != number:
                continue
            block = self._blocks[index]
            if block.end.position == position:
                return block.end
            if after_id(block.frames, str(position)) is not None:
                return Place(block.start.generation, position)
        return None

    def back(self, end: Place, lines: int) -> Place | None:
        """The place `lines` lines before the live end, if they are few and all in memory."""
        if not 0 < lines <= FEW:
            return None
        for block in reversed(self._blocks):
            if not (block.start.generation is block.end.generation is end.generation):
                return None
            in_block = count_ids(block.frames)
            if lines == in_block:
                return block.start
            if lines < in_block:
                position = Position.parse(id_before(block.frames, lines))
                assert position
                return Place(end.generation, position)
            lines -= in_block
        return None

    # --- reading --------------------------------------------------------------------------

    def read(self, place: Place) -> Block | None:
        """What follows `place`, enough of it; None if it is not in memory."""
        index = self._index(place)
        if index < len(self._blocks) and self._blocks[index].start == place:
            return self._gather(index)
        if index and self._blocks[index - 1].start.generation is place.generation:
            block = self._blocks[index - 1]
            frames = after_id(block.frames, str(place.position))
            if frames:
                return Block(place, frames, block.end, frames.count(END))
        return None

    def news(self, place: Place) -> Block | None:
        """All that follows `place` up to the last block, if it is in memory and not much."""
        index = self._index(place)
        if index == len(self._blocks) or self._blocks[index].start != place:
            return None
        block = self._gather(index)
        return block if block.end == self._blocks[-1].end else None

    def _index(self, place: Place) -> int:
        """Which is the first block that begins at `place` or later."""
        return bisect_left(self._places, (place.generation.number, place.position.offset))

    def _gather(self, index: int) -> Block:
        """Enough blocks from `index` on, joined."""
        size, stop = 0, index
        while stop < len(self._blocks) and size < ENOUGH:
            size += len(self._blocks[stop].frames)
            stop += 1
        blocks = self._blocks[index:stop]
        if len(blocks) == 1:
            return blocks[0]
        ends = (blocks[0].start, blocks[-1].end)
        if self._gathered is None or (self._gathered.start, self._gathered.end) != ends:
            frames = b"".join(block.frames for block in blocks)
            events = sum(block.events for block in blocks)
            self._gathered = Block(ends[0], frames, ends[1], events)
        return self._gathered
