"""Places in a log as a process knows them: generations, and positions in them.

A generation is what one file of the log holds from its first byte to its last. Log rotation and
truncation end one and begin the next.
"""

from typing import Any, NamedTuple
from zlib import crc32

from server.logs.files import Identity
from server.logs.lines import LineBatch
from server.logs.position import START, Position
from server.logs.snapshot import Entry, Snapshot, first_filled

MOST_CUTS = 16
"""Generations before one, in a file that was cut back again and again, that are remembered."""


class Trace(NamedTuple):
    """Where the file of a generation stood among the others when it was last seen."""

    identity: Identity
    snapshot: Snapshot
    place: int
    """The files before this one in the snapshot came before the generation."""
    head: bytes
    """The first HEAD bytes of the generation."""
    copies: frozenset[Identity] = frozenset()
    """Files that had been made of it by then, though it goes on."""

    def is_older(self, entry: Entry) -> bool:
        """Whether a file came before the generation, perhaps before it was compressed.

        It did, too, if it was there when the generation was the log, though it was not yet known
        that it belongs to it.
        """
        place = self.snapshot.place_of(entry)
        if place is not None:
            return place < self.place and entry.identity not in self.copies
        since, own = entry.seen.since, self.entry.seen.since if self.entry else None
        if not self.was_log or since is None or since == own:
            return False
        # A copy of the log that was being made holds what the log held, and no older lines.
        return since <= self.snapshot.latest and entry.identity not in self.snapshot.left_out

    @property
    def entry(self) -> Entry | None:
        """Its file as it was seen, None if it had no name."""
        entries = self.snapshot.entries
        return entries[self.place] if self.place < len(entries) else None

    @property
    def was_log(self) -> bool:
        """Whether its file was the youngest one when it was seen."""
        return self.place >= len(self.snapshot.entries) - 1

    def begins(self, text: bytes) -> bool:
        """Whether a file that began with `text`, behind NUL bytes, may have been its own."""
        return self.head.lstrip(b"\0").startswith(text)

    def is_gone_from(self, snapshot: Snapshot) -> bool:
        """Whether its file was there, and is not any more. The file must have been kept open.

        Else the system may have given its number to another one.
        """
        return self.entry is not None and self.identity not in snapshot.index

    def came_between(self, other: "Trace", end: Position, following: "Trace | None") -> bool:
        """Whether the generation came after that of `other`, which ends at `end`, and before
        the file that was found to follow that; None if none was.

        Its file stood right after that of the other one, but for files that are gone by now, and is
        none that goes on after all that the other one holds, as far as their beginnings tell.
        """
        if following and following.entry and self.is_older(following.entry):
            return False
        between = self._places_since(other, end)
        if between is None or self.head.startswith(other.head):
            return False
        gone = self._gone(between, following.snapshot) if following else []
        return gone == between

    def has_lost_since(self, other: "Trace", end: Position, now: Snapshot) -> bool:
        """Whether a file that stood between that of `other`, which ends at `end`, and this one is
        not among those that are there `now`.
        """
        return bool(self._gone(self._places_since(other, end) or [], now))

    def _places_since(self, other: "Trace", end: Position) -> list[int] | None:
        """Where files that hold anything stood between that of `other` and this one; None if that
        one did not stand before this one, or has grown since.
        """
        between: list[int] = []
        for place in range(self.place - 1, -1, -1):
            entry = self.snapshot.entries[place]
            if entry.facts.text and entry.facts.head == other.head:
                is_finished = entry.is_packed or entry.seen.size == end.offset
                return between if is_finished else None
            if entry.facts.text:
                between.insert(0, place)
        return None

    def _gone(self, places: list[int], now: Snapshot) -> list[int]:
        """Those of the files at these places that are gone, as far as is known."""
        kept = {self.snapshot.place_of(entry) for entry in now.entries} if places else set()
        return [place for place in places if place not in kept]

    def is_followed_by(self, entry: Entry) -> bool:
        """Whether a file is the one that came after the generation when that was seen.

        A compressed file has a number of its own: that of a plain one says nothing.
        """
        known = first_filled(self.snapshot.entries[self.place + 1 :])
        if known is None or known.identity != entry.identity:
            return False
        return known.is_packed == entry.is_packed and entry.facts.head.startswith(known.facts.head)

    def has_lost_the_next(self, snapshot: Snapshot) -> bool:
        """Whether no file begins as the one did that was seen to come after the generation.

        It was truncated or removed, with lines that may not have been read.
        """
        known = first_filled(self.snapshot.entries[self.place + 1 :])
        if known is None or not known.facts.text:
            return False
        return not any(entry.facts.goes_on(known.facts) for entry in snapshot.entries)


class Generation:
    """What one file of the log holds; `end` and what follows are known once it is finished."""

    def __init__(self, number: int = -1, end: Position | None = None) -> None:
        self.number = number
        """Counts the generations that were followed; -1 for one that was only read back."""
        self.end = end
        self.next: Change | None = None
        """The step to the generation that follows, once it is known."""
        self.preceding: str | None = None
        """The id of its start: nothing stands there, so it is the end of the one before."""
        self.trace: Trace | None = None
        """What tells its file, and copies of it, from others."""
        self.damage = ""
        """Why lines at its end are missing in its file; empty if none are known to be."""
        self.cut_from: Generation | None = None
        """The one before it, if its file was cut back: what is left of that stands before it."""
        self.copies: tuple[Position, ...] = ()
        """Where copies of it end that were made before it had grown to its `end`."""

    def may_begin_before(self, position: Position) -> bool:
        """Whether a file that holds `position` begins as the generation did, as far as is known."""
        return self.trace is None or crc32(self.trace.head[: position.offset]) == position.head

    def cut_back(self) -> "Generation":
        """The generation that goes on in its file after that was cut back.

        It knows no more than MOST_CUTS before it: each of them takes memory.
        """
        following = Generation(self.number + 1)
        following.cut_from = oldest = self
        for _ in range(MOST_CUTS - 1):
            oldest = oldest.cut_from or oldest
        oldest.cut_from = None
        return following

    def at(self, position: Position) -> "Place":
        """The place of a position in its file.

        In a file that was cut back, what stands up to there is of the one before it, of which the
        lines after that are gone.
        """
        generation = self
        while (before := generation.cut_from) and before.next:
            if position.offset > before.next.end.position.offset:
                break
            generation = before
        return Place(generation, position)


class Place(NamedTuple):
    """A place in the log, known to this process: a generation and a position in it."""

    generation: Generation
    position: Position

    @property
    def id(self) -> str:
        """The id of the event that ends here: after it, a client goes on at this place."""
        return (
            str(self.position)
            if self.position != START
            else self.generation.preceding or str(START)
        )

    @property
    def cut(self) -> "Change | None":
        """The step to what the log was cut back to, if all that followed this place was cut off.

        A client that comes back here has been told that, or was away and has not.
        """
        step = self.generation.next
        is_cut = step is not None and step.end.generation.cut_from is self.generation
        return step if step and is_cut and step.end.position == self.position else None


def is_behind(place: Place, end: Place) -> bool:
    """Whether anything stands between a place in a log and one that was its live end.

    The follower may be ahead of what it has published, and a client with it.
    """
    if place.generation is end.generation:
        return place.position.offset < end.position.offset
    return place.generation.number <= end.generation.number


class Lines(NamedTuple):
    """Lines of a log, and the places before and after them."""

    start: Place
    batch: LineBatch
    end: Place


class Change(NamedTuple):
    """A step from one place to another that is no line: `name` says why, `details` what is known.

    rotated: another file follows. truncated: the file was emptied or cut back. gap: lines are
    gone, or it cannot be told whether there were any.
    """

    start: Place
    end: Place
    name: str
    details: dict[str, Any]

    @property
    def is_gap(self) -> bool:
        return self.name == "gap"


LogBatch = Lines | Change


def gap(start: str, place: Place, why: str, lost: int | None = None) -> dict[str, Any]:
    """The details of a gap: ids before and after it, and the bytes that are lost if known."""
    return {"from": start, "to": place.id, "bytes": lost, "why": why}


def transition(finished: Generation, following: Place, name: str, why: str = "") -> Change:
    """Let `following` come after a finished generation, and say so by `name`.

    With `why`, or where the end of the finished one is damaged, it is a gap: it cannot be told
    that nothing stood in between. A client that comes back after that, and before the first line,
    is told of the gap again rather than sent all that there is. Where the following one goes on
    within its file, what stands before that is not the finished one's end.
    """
    assert finished.end is not None
    start = Place(finished, finished.end)
    why = "; ".join(filter(None, (finished.damage, why)))
    is_at_start = following.position == START
    if is_at_start and (not why or following.generation.preceding is None):
        following.generation.preceding = start.id
    details = gap(start.id, following, why) if why else {"from": start.id}
    finished.next = Change(start, following, "gap" if why else name, details)
    return finished.next
