"""Spans of whole lines in a block of them: what a condition finds, and how conditions combine."""

from collections.abc import Iterator
from typing import Protocol

Span = tuple[int, int]
"""Where whole lines begin and end in a block of them."""


class Condition(Protocol):
    """What lines may have to fulfil."""

    def spans(self, text: bytes, before: bytes) -> Iterator[Span]:
        """Where those of whole lines begin and end that fulfil it.

        `before` is what stands in the log before `text`, CONTEXT bytes of it or all there are.
        """


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


def both(spans: Iterator[Span], more: Iterator[Span]) -> Iterator[Span]:
    """What lies in spans of either kind at the same time."""
    one, other = next(spans, None), next(more, None)
    while one and other:
        begin, end = max(one[0], other[0]), min(one[1], other[1])
        if begin < end:
            yield begin, end
        if one[1] < other[1]:
            one = next(spans, None)
        else:
            other = next(more, None)
