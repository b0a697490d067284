"""The format of a log, found by some of its lines."""

from collections.abc import Sequence

from server.formats.format import Format
from server.formats.table import FORMATS

_MOST_LINES = 100
_LONGEST_LINE = 2048
_LEAST_SHARE = 0.1
"""Of the lines that are looked at, for traces of stacks can be long."""
_FURTHER = (b" ", b"\t", b"#", b"}", b")", b"\r")


def format_of(lines: Sequence[bytes]) -> Format | None:
    """The format that fits most of these lines, None if none fits a tenth of those that are seen.

    A hundred lines are looked at, from all parts of the sequence, but none that begins as the
    further lines of a record do. An envelope counts as a format: what it holds is found by the
    bodies of its lines.
    """
    begun = [line for line in lines if line and line[:1] not in _FURTHER]
    full = [line[:_LONGEST_LINE] for line in _some(begun)]
    if not full:
        return None
    counts = [sum(map(format.fits, full)) for format in FORMATS]
    most = max(counts)
    return FORMATS[counts.index(most)] if most > _LEAST_SHARE * len(full) else None


def _some(lines: Sequence[bytes]) -> list[bytes]:
    if len(lines) <= _MOST_LINES:
        return list(lines)
    return [lines[index * len(lines) // _MOST_LINES] for index in range(_MOST_LINES)]
