"""Whether a log that has become shorter was cut back, or truncated and written anew.

A log that was cut back holds only lines that were sent before, under ids that are still valid;
they must not be sent again.
"""

from server.logs.files import File
from server.logs.position import HEAD, Position

KEPT = 64 * 1024
"""Bytes at the start of a log that are remembered as they are: what several generations have in
common, such as a header, is shorter."""

MOST = 128
"""Positions that are remembered of what stands behind that; every second one is dropped then."""


class Checkpoints:
    """What is remembered of a log that is followed, to be compared when it has become shorter."""

    def __init__(self, start: bytes) -> None:
        self._start = bytearray(start)
        self._positions: list[Position] = []
        self._distance = KEPT

    @classmethod
    def of(cls, file: File, end: int) -> "Checkpoints":
        """Of the first `end` bytes of a file."""
        one = cls(file.read(0, min(end, KEPT)))
        one._distance = max(KEPT, end // MOST)
        for offset in range(KEPT + one._distance, end, one._distance):
            position = file.position(offset)
            if position:
                one._positions.append(position)
        return one

    @property
    def head(self) -> bytes:
        """The first HEAD bytes of the log, or all there are."""
        return bytes(self._start[:HEAD])

    def add(self, data: bytes, position: Position) -> None:
        """Remember what comes next: `data`, which begins at `position` or in the line after it."""
        missing = KEPT - len(self._start)
        if missing > 0:
            self._start += data[:missing]
            return
        last = self._positions[-1].offset if self._positions else KEPT
        if position.offset >= last + self._distance:
            self._positions.append(position)
            if len(self._positions) > MOST:
                del self._positions[::2]
                self._distance *= 2

    @property
    def count(self) -> int:
        """How many positions are remembered."""
        return len(self._positions)

    def equal(self, file: File, left: int | None = None) -> int:
        """How many bytes at the start of `file` are as they were, up to the end of a line.

        Of a long one not all are compared: its first KEPT bytes, and positions in what it still
        has. What stands behind these is new if the file was only `left` bytes long for a moment.
        """
        size = file.size
        if not self._start:
            return 0
        start = file.read(0, min(size, len(self._start)))
        if not self._start.startswith(start):
            pairs = enumerate(zip(self._start, start, strict=False))
            same = next((at for at, (one, other) in pairs if one != other), len(self._start))
            equal = start.rfind(b"\n", 0, same) + 1
            return left if left and equal <= left <= same else equal
        if size <= len(self._start):
            return size
        stood = size if left is None else min(size, left)
        known = [one for one in self._positions if one.offset <= stood]
        held = next((one.offset for one in reversed(known) if file.holds(one)), len(self._start))
        return held if known and held < known[-1].offset else max(held, stood)
