"""What is on disk: which lines, and when the others were destroyed."""

import bz2
import gzip
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import zstandard

from tests.audit.writer import Writer, as_sent, clock, number_of

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


_OWN = re.compile(r"app\.log|app\.\d+\.log|app-\d{4}-\d\d-\d\d\.\d")


class Span(NamedTuple):
    """Lines `first` to `last`."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def subtract(spans: list[Span], others: list[Span]) -> list[Span]:
    """What is in `spans` and in none of `others`."""
    for other in others:
        left = []
        for span in spans:
            if span.last < other.first or other.last < span.first:
                left.append(span)
                continue
            if span.first < other.first:
                left.append(Span(span.first, other.first - 1))
            if other.last < span.last:
                left.append(Span(other.last + 1, span.last))
        spans = left
    return spans


class Destroyed(NamedTuple):
    """Lines that are on disk no more, since when at the latest, and by which action."""

    span: Span
    since: float
    action: str
    seen: bool  # on disk before: not only between two steps of one action


Look = tuple[float, str, dict[str, Span | None]]
"""When, after which action, which lines each file had."""


class Disk:
    """Which lines are on disk, and when the others were destroyed."""

    def __init__(self, log: Path, writer: Writer) -> None:
        self.log = log
        self.present: list[Span] = []
        self.destroyed: list[Destroyed] = []
        self.looks: list[Look] = []
        """What was there after each action."""
        self.pieces: set[bytes] = set()
        """What files begin or end with that is only a piece of a line."""
        self._writer = writer
        self._looked_at = 0
        self._unpacked: dict[tuple[int, int, int], Span | None] = {}

    def files(self) -> list[Path]:
        """The log and what it was rotated to; other programs' logs have other names."""
        return [self.log.parent / name for name in os.listdir(self.log.parent) if _OWN.match(name)]

    def look(self, since: float, action: str) -> None:
        """Take note of what is on disk after an action that began at `since`."""
        with self._writer.lock:
            spans_by_name = {path.name: self._span(path) for path in self.files()}
            self.looks.append((clock(), action, spans_by_name))
            present = [span for span in spans_by_name.values() if span]
            new = [Span(self._looked_at + 1, self._writer.last)]
            for spans, seen in ((self.present, True), (new, False)):
                for span in subtract(spans, present):
                    if span.length > 0:
                        self.destroyed.append(Destroyed(span, since, action, seen))

            self._looked_at = self._writer.last
            # a file that was cut back and written on has not all lines between its first and last
            self.present = subtract(present, [destroyed.span for destroyed in self.destroyed])

    def age(self, path: Path) -> int:
        """What rotated files are ordered by: the number of the first line that one holds."""
        span = self._span(path)
        return span.first if span else self._writer.last + 1

    def _span(self, path: Path) -> Span | None:
        status = path.stat()
        unpack = UNPACK.get(path.suffix)
        if unpack is None:
            with path.open("rb") as file:
                return self._span_of(
                    path, lambda o, n: os.pread(file.fileno(), n, o), status.st_size
                )
        key = (status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self._unpacked:
            data = unpack(path.read_bytes())
            self._unpacked[key] = self._span_of(path, lambda o, n: data[o : o + n], len(data))
        return self._unpacked[key]

    def _span_of(self, path: Path, read: Callable[[int, int], bytes], size: int) -> Span | None:
        """The lines of a file, which follow each other: the first and the last tell them all."""
        length = 1 << 17
        begin = read(0, length).split(b"\n")[:-1]
        *end, rest = read(max(0, size - length), length).split(b"\n")
        if begin and number_of(begin[0].removesuffix(b"\r")) is None:
            self.pieces.add(as_sent(begin[0]))
        if rest and path != self.log:
            self.pieces.add(as_sent(rest))
        firsts = (n for line in begin if (n := number_of(line.removesuffix(b"\r"))))
        lasts = (n for line in reversed(end) if (n := number_of(line.removesuffix(b"\r"))))
        first, last = next(firsts, None), next(lasts, None)
        return Span(first, last) if first and last else None
