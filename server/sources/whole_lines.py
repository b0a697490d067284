"""From a stream of bytes to whole lines, none of them endless."""

LONGEST = 1024 * 1024
"""Bytes of a line after which it is ended, whether or not its writer has ended it."""


class WholeLines:
    """Takes bytes as they come, and gives them back in whole lines, each with `mark` before it.

    What it gives back may hold many lines: they are not taken apart, for a block of 64 KiB costs
    about as much as a line. A line that is longer than `longest` bytes is ended by a newline. So
    many bytes are held at the most.
    """

    def __init__(self, mark: bytes = b"", longest: int = LONGEST) -> None:
        self._mark = mark
        self._longest = longest
        self._held = bytearray()

    def take(self, data: bytes) -> bytes:
        """The lines that are whole with `data`; it is at most `longest` bytes."""
        room = self._longest - len(self._held)
        if len(data) <= room:
            return self._marked(self._take(data))
        end = data.find(b"\n", 0, room + 1) + 1  # a line that begins after it ends in time, too
        if end:
            return self._marked(self._take(data[:end]) + self._take(data[end:]))
        return self._marked(self._take(data[:room]) + self._cut() + self._take(data[room:]))

    def end(self) -> bytes:
        """What is left, as a line: nothing comes after it."""
        return self._marked(self._cut())

    def _take(self, data: bytes) -> bytes:
        end = data.rfind(b"\n") + 1
        if not end:
            self._held += data
            return b""
        whole = bytes(self._held) + data[:end] if self._held else data[:end]
        self._held = bytearray(data[end:])
        return whole

    def _cut(self) -> bytes:
        return self._take(b"\n") if self._held else b""

    def _marked(self, lines: bytes) -> bytes:
        if not self._mark or not lines:
            return lines
        return self._mark + lines[:-1].replace(b"\n", b"\n" + self._mark) + b"\n"
