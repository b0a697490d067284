"""The recent past of a log in memory: encoded once, read by every client."""

from bisect import bisect_left

from server.feeds.blocks import Blocks
from server.feeds.contract import Batch
from server.logs.generation import Place
from server.logs.position import Position
from server.sse.event import END
from server.sse.frames import after_id, count_ids, id_before

FEW = 1000
"""Lines before the live end that are looked for in memory."""


class Block(Batch):
    """A batch of a log's events, between places of the log."""

    __slots__ = ()
    start: Place
    end: Place


class Recent:
    """The last blocks of a log, of up to `most` bytes."""

    def __init__(self, most: int) -> None:
        self._blocks = Blocks[Block](most)

    def append(self, block: Block) -> None:
        """Keep a block that follows the last one."""
        self._blocks.append(block)

    def resize(self, most: int) -> None:
        """Keep up to `most` bytes from now on."""
        self._blocks.resize(most)

    @property
    def size(self) -> int:
        """Bytes that the blocks take."""
        return self._blocks.size

    # --- places ---------------------------------------------------------------------------

    def find(self, position: Position) -> Place | None:
        """The place of `position` if it is in memory."""
        if not self._blocks:
            return None
        first, last = (self._blocks[end].start.generation.number for end in (0, -1))
        for number in range(first, last + 1):
            index = self._index((number, position.offset)) - 1
            if index < 0 or self._blocks[index].start.generation.number != number:
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
        """Give enough of what follows `place`; None if that is not in memory."""
        index = self._index(_key(place))
        if index < len(self._blocks) and self._blocks[index].start == place:
            return self._blocks.gather(index)
        if index and self._blocks[index - 1].start.generation is place.generation:
            block = self._blocks[index - 1]
            frames = after_id(block.frames, str(place.position))
            if frames:
                return Block(place, frames, block.end, frames.count(END))
        return None

    def news(self, place: Place) -> Block | None:
        """All that follows `place` up to the last block, if it is in memory and not much."""
        index = self._index(_key(place))
        if index == len(self._blocks) or self._blocks[index].start != place:
            return None
        block = self._blocks.gather(index)
        return block if block.end == self._blocks[-1].end else None

    def _index(self, key: tuple[int, int]) -> int:
        """Which is the first block that begins at the place with this key or later."""
        return bisect_left(self._blocks, key, key=lambda block: _key(block.start))


def _key(place: Place) -> tuple[int, int]:
    return place.generation.number, place.position.offset
