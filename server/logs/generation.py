"""Places in a log as a process knows them: generations, and positions in them.

A generation is what one file of the log holds from its first byte to its last. Log
rotation and truncation end one and begin the next.
"""

from typing import NamedTuple

from server.logs.archive import Past
from server.logs.position import Position
from server.sse.event import fact


class Generation:
    """What one file of the log holds; `end` and what follows are known once it is finished."""

    def __init__(self, number: int, end: Position | None = None) -> None:
        self.number = number
        """Counts the generations that were followed; -1 for one that was only read back."""
        self.end = end
        self.turn: Block | None = None
        self.past: Past | None = None
        """Of one that was truncated: what tells copies of it from other files."""


class Cursor(NamedTuple):
    """A place in the log, known to this process: a generation and a position in it."""

    generation: Generation
    position: Position


class Block(NamedTuple):
    """Whole frames, the places in the log before and after them, and how many there are."""

    before: Cursor
    frames: bytes
    after: Cursor
    events: int


def gap(before: str, after: str, why: str, lost: int | None) -> bytes:
    """The frame that tells a client what it will not get: ids, and bytes if they are known.

    Its own id is the place it goes on from, so that a reconnect gets no second one.
    """
    return fact("gap", id=after, **{"from": before, "to": after, "bytes": lost, "why": why})


def link(finished: Generation, following: Cursor, name: str) -> Block:
    """Let `following` come after a finished generation; the event `name` says so."""
    assert finished.end is not None
    before = Cursor(finished, finished.end)
    finished.turn = Block(before, fact(name, **{"from": str(finished.end)}), following, 1)
    return finished.turn
