"""Which files of a directory were rotated from others, by their names: pure functions."""

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import NamedTuple

from server.logs.names import PACKINGS, mark_of

_DIGIT = re.compile(r"[0-9]")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]*")
_SEPARATORS = "._-"
_MOST_CUTS = 40
"""Digits in a name in front of which the name of its log may end."""


class Relation(NamedTuple):
    """The log that a file may have been rotated from.

    is_strong: whether hardly anything but a file of that log has such a name. A number in front of
        the extension, or behind a hyphen, may as well be that of another log.
    """

    log: str
    is_strong: bool


def relations(names: Collection[str], logs: Collection[str] = ()) -> dict[str, Relation]:
    """What each of the `names` in a directory says if it may be that of a rotated file.

    A log must be one of them, too, or one of `logs`, which are not there now.
    """
    known = {*names, *logs}
    found: dict[str, Relation] = {}
    for name in names:
        relation = None
        for log in _candidates(name):
            mark = mark_of(name, log) if log in known and log != name else None
            if mark and (relation is None or mark.is_strong > relation.is_strong):
                relation = Relation(log, mark.is_strong)
        if relation:
            found[name] = relation
    return found


def _candidates(name: str) -> Iterator[str]:
    """What the log may be called: the name up to a number, and that with an extension."""
    if name.startswith("@"):
        yield "current"
    plain = name
    for packing in PACKINGS:
        plain = plain.removesuffix(packing)
    extensions = dict.fromkeys((f".{plain.rpartition('.')[2]}", *_EXTENSION.findall(plain)[-2:]))
    for match in islice(_DIGIT.finditer(plain), _MOST_CUTS):
        end = match.start()
        for cut in (end, end - 1, end - 2):
            if cut < 1 or (cut < end and plain[cut] not in _SEPARATORS):
                break
            yield plain[:cut]
            for extension in extensions:
                yield plain[:cut] + extension
