"""Which lines of a log a client wants."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from server.filters.grep import CUT, Grep
from server.filters.level import AtLeast
from server.filters.spans import Condition, Span, both, joined
from server.formats.levels import Level
from server.logs.lines import LineBatch

MOST_PATTERNS = 8
"""Patterns of one filter."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a client asks for. Two that are equal give the same lines.

    grep: regular expressions, which all must be found in a line.
    invert: lines are wanted in which they are not all found.
    ignore_case: whether upper and lower case are the same to them.
    level: the least level of a line; None if any will do.
    """

    grep: tuple[str, ...] = ()
    invert: bool = False
    ignore_case: bool = False
    level: Level | None = None


class Selection:
    """Finds the lines that a filter wants, each as far as it is kept: its first `max_line` bytes.

    Raises PatternError if the filter cannot be taken.
    """

    def __init__(self, wanted: Filter, max_line: int) -> None:
        self._max_line = max_line
        self._conditions: list[Condition] = []
        if wanted.level is not None:
            self._conditions.append(AtLeast(wanted.level))
        if wanted.grep:
            flags = {"invert": wanted.invert, "ignore_case": wanted.ignore_case}
            self._conditions.append(Grep(wanted.grep, max_line, **flags))

    def spans(self, text: bytes, before: bytes) -> Iterator[Span]:
        """See `Condition`: lines that fulfil all conditions."""
        return reduce(both, (one.spans(text, before) for one in self._conditions))

    def seek(self, text: bytes, before: bytes) -> int:
        """Where the first wanted one of whole lines begins; their length if none is wanted."""
        begin, _ = next(self.spans(text, before), (len(text), 0))
        return begin

    def parts(self, batch: LineBatch) -> Iterator[LineBatch]:
        """The lines of a batch that are wanted: those that follow each other in one piece.

        A line that was shown before it was finished is looked at as a whole, as far as it is known.
        """
        if batch.is_cut:
            if self._wants_first(batch):
                yield batch
            return
        spans = self.spans(batch.lines, batch.before)
        if batch.is_continued:
            spans = self._with_first(batch, spans)
        for begin, end in joined(spans):
            yield batch.part(begin, end)

    def _wants_first(self, batch: LineBatch) -> bool:
        """Whether the first line of a batch is wanted."""
        line = batch.first_line
        if batch.is_cut and batch.length - batch.hole > len(batch.lines):
            line = line.removesuffix(b"\n")[: self._max_line] + CUT
        begun = len(batch.before) - batch.before.rfind(b"\n") - 1
        return self.seek(line, batch.before[: len(batch.before) - begun]) == 0 < len(line)

    def _with_first(self, batch: LineBatch, spans: Iterator[Span]) -> Iterator[Span]:
        end = batch.lines.find(b"\n") + 1 or len(batch.lines)
        if self._wants_first(batch):
            yield 0, end
        yield from ((max(begin, end), until) for begin, until in spans if until > end)
