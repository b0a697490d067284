"""Which lines of a log a client wants."""

from collections.abc import Iterator
from dataclasses import dataclass

from server.filters.pattern import Pattern
from server.logs.lines import LineBatch

MOST_PATTERNS = 8
"""Patterns of one filter."""

CUT = "…".encode()
"""What stands for the rest of a line that is longer than those that are kept."""

Span = tuple[int, int]
"""Where whole lines begin and end in a block of them."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a client asks for. Two that are equal give the same lines.

    grep: regular expressions, which all must be found in a line.
    invert: the other lines are wanted.
    ignore_case: whether upper and lower case are the same to them.
    """

    grep: tuple[str, ...] = ()
    invert: bool = False
    ignore_case: bool = False


class Selection:
    """Finds the lines that a filter wants, each as far as it is kept: its first `max_line` bytes.

    Raises PatternError if the filter cannot be taken.
    """

    def __init__(self, wanted: Filter, max_line: int) -> None:
        self._max_line = max_line
        self._invert = wanted.invert
        self._first, *self._others = (
            Pattern(text, ignore_case=wanted.ignore_case) for text in wanted.grep
        )

    def parts(self, batch: LineBatch) -> Iterator[LineBatch]:
        """The lines of a batch that are wanted: those that follow each other in one piece.

        A line that was shown before it was finished is looked at as a whole, as far as it is known.
        """
        if batch.is_cut:
            is_clipped = batch.length - batch.hole > len(batch.lines)
            if self.wants(batch.first_line, is_clipped=is_clipped):
                yield batch
            return
        spans = self.spans(batch.lines)
        if batch.is_continued:
            spans = self._with_first(batch, spans)
        for begin, end in joined(spans):
            yield batch.part(begin, end)

    def wants(self, line: bytes, *, is_clipped: bool = False) -> bool:
        """Whether a line is wanted. `is_clipped` says that not all of it is here."""
        line = line.removesuffix(b"\n")
        if is_clipped or len(line) > self._max_line:
            line = line[: self._max_line] + CUT
        is_found = all(one.matches(line) for one in (self._first, *self._others))
        return is_found is not self._invert

    def spans(self, text: bytes) -> Iterator[Span]:
        """Where the wanted ones of whole lines begin and end."""
        found = self._found(text)
        return others(found, len(text)) if self._invert else found

    def seek(self, text: bytes) -> int:
        """Where the first wanted one of whole lines begins; their length if none is wanted."""
        begin, _ = next(self.spans(text), (len(text), 0))
        return begin

    def _found(self, text: bytes) -> Iterator[Span]:
        for begin, end in self._first.lines(text):
            is_long = end - begin > self._max_line
            if not (self._others or is_long) or self.wants(text[begin:end]) is not self._invert:
                yield begin, end

    def _with_first(self, batch: LineBatch, spans: Iterator[Span]) -> Iterator[Span]:
        end = batch.lines.find(b"\n") + 1 or len(batch.lines)
        if self.wants(batch.first_line):
            yield 0, end
        yield from ((max(begin, end), until) for begin, until in spans if until > end)


def joined(spans: Iterator[Span]) -> Iterator[Span]:
    """The same where each that begins where the one before it ends is part of that."""
    begin = end = 0
    for next_begin, next_end in spans:
        if next_begin != end:
            if end > begin:
                yield begin, end
            begin = next_begin
        end = next_end
    if end > begin:
        yield begin, end


def others(spans: Iterator[Span], length: int) -> Iterator[Span]:
    """What lies between spans, and around them, in a text of that length."""
    at = 0
    for begin, end in spans:
        if begin > at:
            yield at, begin
        at = end
    if at < length:
        yield at, length
