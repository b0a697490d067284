"""Which files were there before others: what was watched, and what was seen in earlier looks.

A file is known again by its number together with how it begins: the system gives the number of a
deleted file to the next one. One that was compressed, or copied and then truncated, is known again
by how it begins alone. A file that holds nothing is never known again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from server.logs.files import Identity
from server.logs.position import HEAD

MOST_KNOWN = 10_000
"""Files that are remembered."""

MOST_LOST = 256
"""Files that are gone of which it is remembered how they began."""

LEAST_ALIKE = 16
"""Bytes by which a file is known again that has grown before it was compressed or copied."""

FIRST_LOOK = 2
"""The number that `Sightings.look` gives to files that were there at the first look."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Sight(NamedTuple):
    """What a look has shown of a file.

    size, modified: its bytes as they are on the disk, and when it was last written to (mtime).
    text: how it begins, behind NUL bytes if it begins with such.
    is_unknown: whether it may hold something, though nothing of that could be read. Its number
        says then that it is the same, and of a compressed file its size: these do not grow.
    """

    identity: Identity
    size: int
    text: bytes
    is_packed: bool
    is_log: bool
    is_unknown: bool = False
    modified: int = 0


class _Seen(NamedTuple):
    sight: Sight
    since: int
    look: int
    """The look at which it was seen last."""
    was_log: bool
    """Whether it was the log then, or earlier."""
    has_belonged: bool = False
    """Whether it was found to belong to the log."""
    kept: int | None = None
    """When it was last written to before it was compressed, if that was seen."""

    def is_same(self, now: Sight) -> bool:
        """Whether a file with the same number is the one that was seen before."""
        before = self.sight
        if before.is_packed != now.is_packed:
            return False
        if now.is_unknown:
            return not now.is_packed or now.size == before.size
        return bool(before.text) and now.text.startswith(before.text)


class _Watched(NamedTuple):
    text: bytes
    """How the file begins."""
    since: int
    """The highest `since` that it may have: that of a log that was new at the look before."""


class Sightings:
    """Remembers files, and the order in which they were watched and seen first."""

    def __init__(self) -> None:
        self._watched: OrderedDict[Identity, _Watched] = OrderedDict()
        self._seen: OrderedDict[Identity, _Seen] = OrderedDict()
        self._lost: OrderedDict[bytes, int] = OrderedDict()  # `since` by how they begin
        self.latest = 0
        """What files have that were new at the last look. The log has one more if it was new."""

    def watch(self, identity: Identity, text: bytes) -> None:
        """Note that a file which begins with `text` was followed, after those noted before it.

        It was the log at the last look: what is seen for the first time after that is younger. If
        it was seen earlier, a copy of it is as old as that.
        """
        before, since = self._seen.get(identity), self.latest + 1
        if before and before.sight.text and text.startswith(before.sight.text):
            since = min(since, before.since)
        self._watched.pop(identity, None)
        self._watched[identity] = _Watched(text, since)
        forget_oldest(self._watched)

    def look(self, sights: Sequence[Sight]) -> tuple[dict[Identity, int], dict[Identity, int]]:
        """Note the files that are there now.

        For those that were watched, in which order they were. For all that hold anything, when
        they were seen first: of two that were new at the same look, only the log is the younger.
        """
        by_identity = {sight.identity: sight for sight in sights}
        self._recognize_watched(by_identity)
        watched = {identity: number for number, identity in enumerate(self._watched)}
        return watched, self._recognize_seen(by_identity)

    def belong(self, identities: Iterable[Identity]) -> None:
        """Note that these files were found to belong to the log at the last look."""
        for identity in identities:
            if identity in self._seen:
                self._seen[identity] = self._seen[identity]._replace(has_belonged=True)

    @property
    def lost(self) -> dict[bytes, int]:
        """How files of the log begin that were seen, and are in none that is there now, with when
        they were seen first.
        """
        return dict(self._lost)

    def was_log(self, identity: Identity) -> bool:
        """Whether a file that is there now stood at the log's own path at some look."""
        return identity in self._seen and self._seen[identity].was_log

    def has_belonged(self, identity: Identity) -> bool:
        """Whether a file that is there now was found to belong to the log at an earlier look."""
        return identity in self._seen and self._seen[identity].has_belonged

    def kept(self, identity: Identity) -> int | None:
        """When a compressed file was last written to before that, as far as a look has shown."""
        return self._seen[identity].kept if identity in self._seen else None

    def _recognize_watched(self, sights: dict[Identity, Sight]) -> None:
        others = [sight for identity, sight in sights.items() if identity not in self._watched]
        packed = {sight.text: sight.identity for sight in others if sight.is_packed and sight.text}
        watched: OrderedDict[Identity, _Watched] = OrderedDict()
        for identity, one in self._watched.items():
            sight, text = sights.get(identity), one.text
            if sight and text and self._is_watched(sight, text):
                watched[identity] = one._replace(text=sight.text or text)
            elif text in packed:
                watched[packed[text]] = one
            elif sight and (copy := _copy_of(text, others)):
                watched[copy.identity] = one._replace(text=copy.text)
        self._watched = watched

    def _is_watched(self, sight: Sight, text: bytes) -> bool:
        """Whether the file that was watched, and began with `text`, is this one."""
        if not sight.is_unknown:
            return sight.text.startswith(text)
        before = self._seen.get(sight.identity)
        return before.is_same(sight) if before else not sight.is_packed

    def _recognize_seen(self, sights: dict[Identity, Sight]) -> dict[Identity, int]:
        self.latest += 2
        known, seen = self._seen, dict[Identity, _Seen]()
        for identity, sight in sights.items():
            if not sight.text and not sight.is_unknown:
                continue
            before, since = known.get(identity), None
            was_log, has_belonged, kept = sight.is_log, False, None
            if before and before.is_same(sight):
                since, has_belonged, kept = before.since, before.has_belonged, before.kept
                was_log |= before.was_log
                sight = sight._replace(text=sight.text or before.sight.text)
            elif sight.is_packed and sight.text:
                origin = self._before_packing(sight.text, sights)
                if origin:
                    since = origin.since
                    kept = origin.kept if origin.sight.is_packed else origin.sight.modified
            since = since or self.latest + sight.is_log
            if identity in self._watched:
                since = min(since, self._watched[identity].since)
            seen[identity] = _Seen(sight, since, self.latest, was_log, has_belonged, kept)
        self._note_lost([one.sight.text for one in seen.values() if one.sight.text])
        for identity, one in seen.items():
            known.pop(identity, None)
            known[identity] = one
        forget_oldest(known)
        return {identity: one.since for identity, one in seen.items() if identity in known}

    def _note_lost(self, texts: Sequence[bytes]) -> None:
        """Note what was there at the look before, and does not begin any of the files any more."""
        for one in self._seen.values():
            if one.look == self.latest - 2 and one.has_belonged and one.sight.text:
                self._lost[one.sight.text] = one.since
        whole = set(texts)
        for text in [*self._lost]:
            is_short = len(text) < HEAD
            if text in whole or (is_short and any(now.startswith(text) for now in texts)):
                del self._lost[text]
        forget_oldest(self._lost, MOST_LOST)

    def _before_packing(self, text: bytes, now: dict[Identity, Sight]) -> _Seen | None:
        """The file in which a compressed file's content was seen before; None if it was not.

        Of several that begin so, it is one that has gone since the last look, or else any; of
        these the youngest, since a log that was edited begins as it did before.
        """
        alike = {
            identity: one
            for identity, one in self._seen.items()
            if one.sight.text == text
            or (LEAST_ALIKE <= len(one.sight.text) < HEAD and text.startswith(one.sight.text))
        }
        gone = [
            one
            for identity, one in alike.items()
            if identity not in now and one.look == self.latest - 2
        ]
        return max(gone or alike.values(), key=lambda one: one.since, default=None)


def _copy_of(text: bytes, others: Iterable[Sight]) -> Sight | None:
    """The only one of the others that holds what began with `text` before it was truncated."""
    copies = [
        sight
        for sight in others
        if not sight.is_packed and not sight.is_log and sight.text.startswith(text)
    ]
    return copies[0] if len(copies) == 1 and len(text) >= LEAST_ALIKE else None


def forget_oldest(remembered: OrderedDict[_Key, _Value], most: int = MOST_KNOWN) -> None:
    """Keep no more than so many."""
    while len(remembered) > most:
        remembered.popitem(last=False)
