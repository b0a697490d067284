"""Lines of a level, or above it, and the lines that belong to them."""

from collections.abc import Iterator

from server.filters.pattern import compiled_for_bytes
from server.filters.spans import Span
from server.formats.levels import Level
from server.formats.places import RE2_MEMORY, any_level, patterns_at_least

_CONTINUES = (b" ", b"\t", b"Caused by: ", b"Traceback (most recent call last)", b"}", b")")
"""How a line begins that goes on with a record."""


class AtLeast:
    """Lines whose level is `least` or above.

    A line without a level belongs to the record before it. If no line with a level begins within
    CONTEXT bytes before a block, a line at its start is wanted if it looks like the rest of a
    record: most records that are so long are stack traces.
    """

    def __init__(self, least: Level) -> None:
        self._wanted = compiled_for_bytes(patterns_at_least(least), RE2_MEMORY)
        self._levels = compiled_for_bytes(any_level(), RE2_MEMORY)

    def spans(self, text: bytes, before: bytes) -> Iterator[Span]:
        """See `Condition`."""
        at, size = 0, len(text)
        if size and self._is_wanted_before(before, text):
            at = self._next_record(text, 0)
            if at:
                yield 0, at
        while at < size:
            found = self._wanted(text, at)
            if found is None:
                return
            begin = found.start()
            at = self._next_record(text, text.find(b"\n", begin) + 1 or size)
            yield begin, at

    def _next_record(self, text: bytes, at: int) -> int:
        """Where the next line with a level begins, from the line at `at` on."""
        found = self._levels(text, at) if at < len(text) else None
        return found.start() if found else len(text)

    def _is_wanted_before(self, before: bytes, text: bytes) -> bool:
        """Whether a line without a level at the start of `text` would be wanted."""
        last, at = None, 0
        while found := self._levels(before, at):
            last, at = found.start(), before.find(b"\n", found.start()) + 1 or len(before)
            if at == len(before):
                break
        if last is None:
            return text.startswith(_CONTINUES)
        end = before.find(b"\n", last) + 1 or len(before)
        return self._wanted(before[last:end], 0) is not None
