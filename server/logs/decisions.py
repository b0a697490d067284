"""What the follower of a log does next: decided from what it has observed, and nothing else.

These functions know no files, threads or clocks. The follower looks, asks here, and acts.
"""

from enum import Enum, auto
from typing import NamedTuple

from server.logs.files import QUIET_WRITER

QUIET = 2.0
"""Seconds without a byte that finish a rotated file whose writers cannot be found out."""

UNFINISHED = 1.0
"""Seconds without a byte after which a last line is shown though it has no newline."""

STALLED = 3.0
"""Seconds that tail may be behind before another one is started. Meanwhile the file is read
without it."""

LATE = 0.3
"""Seconds for which tail is behind when it counts as late. Past the system's limit of inotify
instances it looks once a second only, and is late with most lines."""

MOST_LATE = 3
"""How often tail may be late, and never first in between, before that is no accident."""

RESTART = 0.5
"""Least seconds between two starts of tail; meanwhile the file is read without it."""


LEAST_EQUAL = 4096
"""Bytes at the start of a log that goes on otherwise which show that it was cut back. What a
program writes whenever it starts is shorter."""


class Look(NamedTuple):
    """What one look at the file that is followed has shown."""

    is_live: bool
    """Whether the log's path names this file."""
    is_unchanged: bool
    """Whether all that was taken from the file still stands there."""
    unread: int
    """Bytes of the file that were not taken yet."""
    quiet: float
    """Seconds since the last byte was taken."""
    has_unfinished: bool
    """Whether a part of a line was taken that was not shown yet."""


class Next(Enum):
    """What the follower does next."""

    READ = auto()
    """Read on, or wait for more."""
    SHOW_UNFINISHED = auto()
    """Publish the last line though it is not finished."""
    RECOVER = auto()
    """Find out what became of what was taken."""
    TRY_TO_FINISH = auto()
    """See whether anybody still writes to the file, and if not, go on with the next one."""


def decide(look: Look) -> Next:
    """What to do after a look that found nothing new to take."""
    if not look.is_unchanged:
        return Next.RECOVER
    if look.unread:
        return Next.READ
    if look.has_unfinished and look.quiet >= UNFINISHED:
        return Next.SHOW_UNFINISHED
    return Next.READ if look.is_live else Next.TRY_TO_FINISH


def is_finished(has_successor: bool, has_writer: bool | None, quiet: float) -> bool:
    """Whether nothing more will come to a file that was renamed or removed.

    has_successor: whether another file, which can be read, has taken the log's path.
    has_writer: whether a process has the file open for writing; None if that is not known.
    quiet: seconds since the last byte.
    """
    if not has_successor:
        return False
    if has_writer is None:
        return quiet >= QUIET
    return not has_writer or quiet >= QUIET_WRITER


class TailState(NamedTuple):
    """What is known of tail when the follower looks after it."""

    is_running: bool
    has_ended: bool
    """Whether it was ended, or has handed over what does not stand in the file."""
    since: float
    """Seconds since it was last started."""
    behind: float = 0.0
    """Seconds for which it has not handed over what was read from the file without it."""


def wants_new_tail(tail: TailState, look: Look) -> bool:
    """Whether to start tail: only the log's own path is followed by it."""
    return look.is_live and not tail.is_running and tail.since >= RESTART


def must_stop_tail(tail: TailState, look: Look) -> bool:
    """Whether tail is of no more use: ended, in another file, not wanted, or stuck."""
    is_stuck = tail.behind > STALLED
    return tail.is_running and (tail.has_ended or not look.is_live or is_stuck)


class Lateness(NamedTuple):
    """Whether tail hands over what is appended when that was read without it."""

    is_late: bool = False
    """Whether it is late now."""
    times: int = 0
    """How often it was since it was last first."""

    @property
    def is_no_accident(self) -> bool:
        return self.times >= MOST_LATE


def next_lateness(before: Lateness, behind: float, was_first: bool) -> Lateness:
    """How late tail is after a look, as it was `before` that.

    behind: seconds for which it has not handed over what was read without it; 0 if it has.
    was_first: whether it has just handed over what nobody had read.
    """
    if was_first:
        return Lateness()
    if behind < LATE:
        return before._replace(is_late=before.is_late and behind > 0)
    return before if before.is_late else Lateness(True, before.times + 1)


class Found(NamedTuple):
    """What was found after a log did not hold any more what was taken from it."""

    copy_holds_end: bool
    """Whether a rotated copy of it goes on where the follower was."""
    size: int
    """Bytes of the log when that was noticed, or now if it was empty then."""
    equal: int
    """How many bytes at its start stand where they stood."""
    moved_to: int | None
    """Where, at another offset, the log holds what was taken last; None if nowhere."""


class Recovery(Enum):
    """Where the follower goes on after the log was truncated or written anew."""

    LATER = auto()
    """In the next file, once there is one: there is none now."""
    AGAIN = auto()
    """In the same file, of which nothing was taken: it was removed, and what it holds comes first.
    """
    UNREAD = auto()
    """At the start of the same file: nothing was taken of it."""
    IN_COPY = auto()
    """In the copy, which is whole, and then in the log."""
    AT_EQUAL = auto()
    """After what it still has: the log was cut back to a part that was sent already."""
    AT_MOVED = auto()
    """After what was taken last: the front of the log was cut off."""
    AT_START = auto()
    """At the start: what the log holds now is new."""


def recover(found: Found) -> Recovery:
    """Where to go on. Of several ways, the one that loses and doubles nothing is taken."""
    if found.copy_holds_end:
        return Recovery.IN_COPY
    if found.equal and found.equal >= min(found.size, LEAST_EQUAL):
        return Recovery.AT_EQUAL
    if found.moved_to is not None:
        return Recovery.AT_MOVED
    return Recovery.AT_START
