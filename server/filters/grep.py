"""Lines in which regular expressions are found, or are not."""

from collections.abc import Iterator, Sequence

from server.filters.pattern import Pattern
from server.filters.spans import Span, others

CUT = "…".encode()
"""What stands for the rest of a line that is longer than those that are kept."""


class Grep:
    """Lines in which all patterns are found, or the others: see `Filter`.

    Of a line, its first `max_line` bytes are searched. Raises PatternError if a pattern cannot be
    taken.
    """

    def __init__(
        self, patterns: Sequence[str], max_line: int, *, invert: bool, ignore_case: bool
    ) -> None:
        self._first, *self._rest = (Pattern(text, ignore_case=ignore_case) for text in patterns)
        self._max_line = max_line
        self._invert = invert

    def spans(self, text: bytes, before: bytes) -> Iterator[Span]:
        """See `Condition`."""
        found = self._found(text)
        return others(found, len(text)) if self._invert else found

    def _found(self, text: bytes) -> Iterator[Span]:
        for begin, end in self._first.lines(text):
            is_long = end - begin > self._max_line
            if not (self._rest or is_long) or self._matches(text[begin:end]):
                yield begin, end

    def _matches(self, line: bytes) -> bool:
        line = line.removesuffix(b"\n")
        if len(line) > self._max_line:
            line = line[: self._max_line] + CUT
        return all(one.matches(line) for one in (self._first, *self._rest))
