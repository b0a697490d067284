"""Which files were there before others: what was watched, and what was seen in earlier looks.

A file is known again by its number together with how it begins: the system gives the number of a
deleted file to the next one. One that was compressed is known again by how it begins alone. A file
that holds nothing is never known again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from server.logs.files import Identity
from server.logs.position import HEAD

MOST_KNOWN = 10_000
"""Files that are remembered."""

LEAST_ALIKE = 16
"""Bytes by which a file is known again that has grown before it was compressed."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Sight(NamedTuple):
    """What a look has shown of a file.

    text: how it begins, behind NUL bytes if it begins with such.
    is_unknown: whether it may hold something, though nothing of that could be read. Its number
        alone says then that it is the same.
    """

    identity: Identity
    text: bytes
    is_packed: bool
    is_log: bool
    is_unknown: bool = False


class _Seen(NamedTuple):
    text: bytes
    is_packed: bool
    since: int


class Sightings:
    """Remembers files, and the order in which they were watched and seen first."""

    def __init__(self) -> None:
        self._watched: OrderedDict[Identity, bytes] = OrderedDict()  # with how they begin
        self._seen: OrderedDict[Identity, _Seen] = OrderedDict()
        self.latest = 0
        """What files have that were new at the last look. The log has one more if it was new."""

    def watch(self, identity: Identity, text: bytes) -> None:
        """Note that a file which begins with `text` was followed, after those noted before it."""
        self._watched.pop(identity, None)
        self._watched[identity] = text
        forget_oldest(self._watched)

    def look(self, sights: Sequence[Sight]) -> tuple[dict[Identity, int], dict[Identity, int]]:
        """Note the files that are there now.

        For those that were watched, in which order they were. For all that hold anything, when
        they were seen first: of two that were new at the same look, only the log is the younger.
        """
        by_identity = {sight.identity: sight for sight in sights}
        self._recognize_watched(by_identity)
        self._recognize_seen(by_identity)
        watched = {identity: number for number, identity in enumerate(self._watched)}
        seen = {
            identity: known.since
            for identity, known in self._seen.items()
            if identity in by_identity
        }
        return watched, seen

    def _recognize_watched(self, sights: dict[Identity, Sight]) -> None:
        packed = {
            sight.text: identity
            for identity, sight in sights.items()
            if sight.is_packed and identity not in self._watched and sight.text
        }
        watched: OrderedDict[Identity, bytes] = OrderedDict()
        for identity, text in self._watched.items():
            sight = sights.get(identity)
            if sight and text and (sight.is_unknown or sight.text.startswith(text)):
                watched[identity] = sight.text or text
            elif text in packed:
                watched[packed[text]] = text
        self._watched = watched

    def _recognize_seen(self, sights: dict[Identity, Sight]) -> None:
        self.latest += 2
        known, seen = self._seen, dict[Identity, _Seen]()
        for identity, sight in sights.items():
            if not sight.text and not sight.is_unknown:
                continue
            before = known.get(identity)
            if before and before.is_packed == sight.is_packed and _goes_on(before, sight):
                since: int | None = before.since
            else:
                was_plain = sight.is_packed and sight.text
                since = self._since_before_packing(sight) if was_plain else None
            if since is None:
                since = self.latest + sight.is_log
            text = before.text if before and sight.is_unknown else sight.text
            seen[identity] = _Seen(text, sight.is_packed, since)
        for identity, one in seen.items():
            known.pop(identity, None)
            known[identity] = one
        forget_oldest(known)

    def _since_before_packing(self, sight: Sight) -> int | None:
        """Since when a compressed file's content was seen in another file; None if it was not."""
        found = {
            one.since
            for one in self._seen.values()
            if one.text == sight.text
            or (LEAST_ALIKE <= len(one.text) < HEAD and sight.text.startswith(one.text))
        }
        return found.pop() if len(found) == 1 else None


def _goes_on(before: _Seen, now: Sight) -> bool:
    return now.is_unknown or (bool(before.text) and now.text.startswith(before.text))


def forget_oldest(remembered: OrderedDict[_Key, _Value]) -> None:
    """Keep no more than MOST_KNOWN."""
    while len(remembered) > MOST_KNOWN:
        remembered.popitem(last=False)
