"""The recent past of several logs in memory: encoded once, read by every client."""

from bisect import bisect_left

from server.feeds.blocks import Blocks
from server.feeds.merged_place import MergedBlock, MergedPlace


class MergedRecent:
    """The last blocks of a merged feed, of up to `most` bytes. Their places have numbers."""

    def __init__(self, most: int) -> None:
        self._blocks = Blocks[MergedBlock](most)

    def append(self, block: MergedBlock) -> None:
        """Keep a block that follows the last one."""
        self._blocks.append(block)

    def resize(self, most: int) -> None:
        """Keep up to `most` bytes from now on."""
        self._blocks.resize(most)

    def read(self, place: MergedPlace) -> MergedBlock | None:
        """Give enough of what follows `place`; None if that is not in memory."""
        if place.number is None or not self._blocks:
            return None
        first = self._blocks[0].start.number
        assert first is not None
        index = place.number - first
        return self._blocks.gather(index) if 0 <= index < len(self._blocks) else None

    def news(self, place: MergedPlace) -> MergedBlock | None:
        """All that follows `place` up to the last block, if it is in memory and not much."""
        block = self.read(place)
        return block if block and block.end is self._blocks[-1].end else None

    def entry(self, place: MergedPlace, end: MergedPlace) -> MergedPlace:
        """The first place in memory at which a client can go on that is further behind.

        That is one which the client has not passed in any log. Where there is none, it is `end`,
        the live end. The places of other sets of logs are none: what has come or gone is told at
        the live end only.
        """
        if place.pending or not place.has_logs_of(end):
            return end
        index = bisect_left(
            self._blocks,
            True,
            key=lambda block: block.start.has_logs_of(end) and not place.is_past(block.start),
        )
        return self._blocks[index].start if index < len(self._blocks) else end
