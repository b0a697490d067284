"""Blocks of events that follow each other: encoded once, and kept in memory for all clients."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from server.feeds.contract import Batch

ENOUGH = 64 * 1024
"""Bytes of frames that one read gives, give or take a block."""

OVERHEAD = 700
"""Bytes that a block takes beside its frames, so that many small ones are counted, too."""

B = TypeVar("B", bound=Batch)


class Blocks(Generic[B]):
    """The last blocks of a feed, of up to `most` bytes, and the very last one in any case."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._blocks: list[B] = []
        self._gathered: B | None = None  # the last one, which many ask for
        self.size = 0
        """Bytes that the blocks take."""

    def append(self, block: B) -> None:
        """Keep a block that follows the last one."""
        self._blocks.append(block)
        self.size += len(block.frames) + OVERHEAD
        self._evict()

    def resize(self, most: int) -> None:
        """Keep up to `most` bytes from now on."""
        self._most = most
        self._evict()

    def _evict(self) -> None:
        """Drop the oldest eighth where it is too much; the list is not shifted for each block."""
        if self.size <= self._most:
            return
        index = 0
        while self.size > self._most * 7 // 8 and index < len(self._blocks) - 1:
            self.size -= len(self._blocks[index].frames) + OVERHEAD
            index += 1
        del self._blocks[:index]

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> B:
        return self._blocks[index]

    def __iter__(self) -> Iterator[B]:
        return iter(self._blocks)

    def __reversed__(self) -> Iterator[B]:
        return reversed(self._blocks)

    def gather(self, index: int) -> B:
        """The block at `index`, joined with as many after it as one read gives."""
        size, stop = 0, index
        while stop < len(self._blocks) and size < ENOUGH:
            size += len(self._blocks[stop].frames)
            stop += 1
        blocks = self._blocks[index:stop]
        known = self._gathered
        if known is None or (known.start, known.end) != (blocks[0].start, blocks[-1].end):
            known = self._gathered = joined(blocks)
        return known


def joined(blocks: Sequence[B]) -> B:
    """Blocks that follow each other as one; there is at least one."""
    if len(blocks) == 1:
        return blocks[0]
    return blocks[0]._replace(
        frames=b"".join(block.frames for block in blocks),
        end=blocks[-1].end,
        events=sum(block.events for block in blocks),
    )
