"""Which files may follow a generation, and whether others stood in between.

These are pure functions over what was observed. `succession` opens the files, and sees what they
hold.
"""

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from server.logs.generation import Trace
from server.logs.position import START, Position
from server.logs.sightings import FIRST_LOOK
from server.logs.snapshot import Entry, Snapshot, first_filled

LEAST_ALIKE = 16
"""Bytes that a file must have in common with the one before, or the log with one that is gone, to
be taken for a copy that goes on: shorter ones may be alike by chance."""

DOUBTFUL = "files may have been removed before they were read"
"""Why it cannot be told that a file follows another one."""

STRANGE = "another file has come that may have been rotated from it, and is still written to"
"""The same where a file that may stand in between is written to, but was never seen as the log."""


class Fate(Enum):
    """What has become of the file that held a generation."""

    UNKNOWN = auto()
    """It is not open."""
    NAMED = auto()
    """It has a name, or had one that the live file has until it was seen to be removed."""
    REMOVED = auto()
    """It was renamed or copied first, or nobody looked for a while when it was removed: others may
    have come after it that were removed, too."""


class Predecessor(NamedTuple):
    """A generation, of which it is asked what follows, as one look at the files has shown it."""

    snapshot: Snapshot
    """The files that are there now."""
    end: Position
    """Where it ends."""
    place: int | None = None
    """Where its file stands among them, or one that holds the same; None if there is none."""
    trace: Trace | None = None
    """Where its file stood when it was seen earlier; None if it was not."""
    copies: Sequence[Entry] = ()
    """Files that are copies of it, made before it had grown to its end."""
    fate: Fate = Fate.UNKNOWN
    was_live: bool = False
    """Whether its file is open, and was the log while it was followed."""
    may_copy: bool = True
    """Whether one of the log's files may be a copy of another."""

    @property
    def is_there(self) -> bool:
        """Whether some file holds it, and nothing else."""
        return self.place is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was taken of it."""
        return self.end == START

    @property
    def entry(self) -> Entry | None:
        """Its file as it was seen last, None if it had no name."""
        if self.place is not None:
            return self.snapshot.entries[self.place]
        return self.trace.entry if self.trace else None


class Candidates(NamedTuple):
    """The files that may follow a generation. The first one that holds anything does."""

    entries: Iterator[Entry]
    """In their order, each looked at only once it is asked for: there may be thousands."""
    why: str
    """Why they may not be all that came since; empty if they are."""


def candidates(before: Predecessor) -> Candidates:
    """The files that came after a generation."""
    entries, trace = _not_older(before), before.trace
    why = "" if _are_all(entries, before) else DOUBTFUL
    if not why and _may_be_followed_by_strangers(before):
        why = STRANGE
    # What was there before is older, whatever its name says now.
    younger = (one for one in entries if one.is_log or not (trace and trace.is_older(one)))
    return Candidates(younger, why)


def _not_older(before: Predecessor) -> list[Entry]:
    """The files that stand after the generation's own, or after all that are older than it."""
    entries, trace = before.snapshot.entries, before.trace
    if before.place is not None:
        return entries[before.place + 1 :]
    if trace is None:
        return entries
    older = [
        number
        for number, entry in enumerate(entries)
        # where one stands of which nothing is known says nothing about those before it
        if entry.facts.text and not entry.is_log and trace.is_older(entry)
    ]
    younger = entries[max(older, default=-1) + 1 :]
    return [entry for entry in younger if entry not in before.copies]


def _are_all(entries: list[Entry], before: Predecessor) -> bool:
    """Whether these files are all that came after the generation.

    They are if the first of them was seen to follow it, or if the generation's file was the log
    until it was removed or replaced, or still is the log, truncated, and nothing was copied from
    it since. A file that was renamed or copied first may have had others after it that were
    removed, too. So may one that is gone, unless nothing was taken of it. They are not if one was
    seen to follow it, or to come between it and them, that is in none of the files any more.
    """
    trace, fate, first = before.trace, before.fate, first_filled(entries)
    if _has_lost_others(before, first):
        return False
    if trace and first and trace.is_followed_by(first):
        return True
    if trace and trace.has_lost_the_next(before.snapshot):
        return False
    if before.is_there:
        return True
    if trace:
        is_known_by_trace = fate is Fate.UNKNOWN or before.is_empty
        if is_known_by_trace and _is_truncated_log(trace, first):
            return True
    if fate is Fate.NAMED or trace is None:
        return True
    is_gone = fate is Fate.REMOVED or trace.is_gone_from(before.snapshot)
    return before.is_empty and not is_gone


def _has_lost_others(before: Predecessor, first: Entry | None) -> bool:
    """Whether a file was seen that came after the generation and before the first one that may
    follow it, and is gone.

    A generation that had no line when it was seen is younger than all that was there then.
    """
    entry, trace = before.entry, before.trace
    own = entry.seen.since if entry else None
    if own is None and trace and trace.was_log:
        own = trace.snapshot.latest
    if own is None:
        return False
    since = first.seen.since if first else None
    return any(
        own < lost and (since is None or lost < since) and not (trace and trace.begins(text))
        for text, lost in before.snapshot.lost.items()
    )


def _is_truncated_log(trace: Trace, first: Entry | None) -> bool:
    """Whether the first file that holds anything is the log, and was that of the generation."""
    return first is not None and first.is_log and first.identity == trace.identity


def _may_be_followed_by_strangers(before: Predecessor) -> bool:
    """Whether a file came since that of a generation, of which it is not known whose it is.

    What was there at the first look may be of any age.
    """
    if before.entry is None:
        return False
    own_since = before.entry.seen.since or FIRST_LOOK
    return any(
        one.since is not None and FIRST_LOOK < one.since >= own_since
        for one in before.snapshot.strangers
    )


def may_hold_all(entry: Entry, before: Predecessor) -> bool:
    """Whether a candidate, if it holds all that the generation does, goes on after that.

    Then it is a copy of the log whose original goes on, or a log that an editor wrote anew; unless
    the generation's file still has a name of its own, given to it by a rotation.
    """
    if before.is_there and (before.was_live or not before.may_copy):
        return False
    least = LEAST_ALIKE if entry.is_log or before.is_there else 1
    return before.end.offset >= least
