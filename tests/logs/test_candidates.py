"""Which files may follow a generation: a table of what looks at a directory have shown.

Files are written as `observing.entry` says.
"""

from typing import NamedTuple

import pytest

from server.logs.candidates import (
    DOUBTFUL,
    LEAST_ALIKE,
    STRANGE,
    Fate,
    Predecessor,
    candidates,
    may_hold_all,
)
from server.logs.generation import Trace
from server.logs.position import START, Position
from server.logs.sightings import FIRST_LOOK
from server.logs.snapshot import Snapshot
from tests.logs.observing import entries, entry

END = Position(100, 0xABC, 0xDEF)


class Case(NamedTuple):
    """Of generation A: its file among others when it was seen, and the files that are there now.

    seen: None if it was not seen earlier.
    latest, left_out, made: see `Snapshot` and `Trace.copies` of that look.
    lost: files that were seen since, and are gone.
    """

    now: str
    follow: str
    why: str = ""
    seen: str | None = None
    place: int | None = None
    end: Position = END
    fate: Fate = Fate.UNKNOWN
    copies: str = ""
    strangers: str = ""
    latest: int = 0
    left_out: str = ""
    made: str = ""
    lost: str = ""

    @property
    def predecessor(self) -> Predecessor:
        strangers = tuple(one.seen for one in entries(self.strangers))
        lost = {one.facts.text: one.seen.since or 0 for one in entries(self.lost)}
        now = Snapshot(entries(self.now), strangers=strangers, lost=lost)
        trace, own = None, entry("app.log=A")
        if self.seen is not None:
            left_out = frozenset(one.identity for one in entries(self.left_out))
            made = frozenset(one.identity for one in entries(self.made))
            then = Snapshot(entries(self.seen), self.latest, left_out)
            place = then.index.get(own.identity, len(then.entries))
            head = then.entries[place].facts.head if place < len(then.entries) else b""
            trace = Trace(own.identity, then, place, head, made)
        copies = entries(self.copies)
        return Predecessor(now, self.end, self.place, trace, copies, self.fate)


NEW = FIRST_LOOK + 2
"""What `Observed.since` is of a file that came with the second look."""

CASES = {
    # --- a file that holds it is there ---
    "its file stands there": Case(
        "app.log.2=A app.log.1=B app.log=C", "app.log.1 app.log", place=0
    ),
    "it is still the log": Case("app.log.1=O app.log=A", "", place=1),
    "one that was there before has a younger name now": Case(
        "app.log.2=A app.log.1=O app.log=B", "app.log", seen="app.log.1=O app.log=A", place=0
    ),
    "the log itself is never older": Case(
        "app.log.1=A app.log=O", "app.log", seen="app.log.1=O app.log=A", place=0
    ),
    "its file was removed just now": Case(
        "app.log.1=A app.log=B", "app.log", place=0, fate=Fate.REMOVED
    ),
    "the next one was truncated before it was read": Case(
        "app.log.1=A app.log=B:X",
        "app.log",
        DOUBTFUL,
        seen="app.log.1=A app.log=B",
        place=0,
    ),
    "the next one was truncated, written to and rotated": Case(
        "app.log.2=A app.log.1=B:X app.log=C",
        "app.log.1 app.log",
        DOUBTFUL,
        seen="app.log.1=A app.log=B",
        place=0,
    ),
    "the next one was copied before it was truncated": Case(
        "app.log.2=A app.log.1=D:B app.log=B:X",
        "app.log.1 app.log",
        seen="app.log.1=A app.log=B",
        place=0,
    ),
    "the next one was compressed": Case(
        "app.log.2=A app.log.1.gz=D:B app.log=C",
        "app.log.1.gz app.log",
        seen="app.log.1=A app.log=B",
        place=0,
    ),
    "the next one held nothing": Case(
        "app.log.1=A app.log=C", "app.log", seen="app.log.1=A app.log=B:", place=0
    ),
    "one that came after it is gone": Case(
        "app.log.1=A@2 app.log=C@6", "app.log", DOUBTFUL, place=0, lost="app.log=B@4"
    ),
    "one that came after it was gone before the next one was seen to follow it": Case(
        "app.log.1=A@2 app.log=C@6",
        "app.log",
        DOUBTFUL,
        seen="app.log.1=A@2 app.log=C@6",
        place=0,
        lost="app.log=B@4",
    ),
    "one that came before it is gone": Case(
        "app.log.1=A@4 app.log=C@6", "app.log", place=0, lost="app.log=B@2"
    ),
    "one that came after the next one is gone": Case(
        "app.log.1=A@2 app.log=B@4", "app.log", place=0, lost="app.log=C@6"
    ),
    # --- none is, and the next one was seen ---
    "one that was seen after it is gone": Case(
        "app.log=C@8",
        "app.log",
        DOUBTFUL,
        seen="app.log=A@4",
        fate=Fate.NAMED,
        lost="app.log=B@6 app.log=A@4",
    ),
    "one that was seen after it held nothing is gone": Case(
        "app.log=C@8", "app.log", DOUBTFUL, seen="app.log=A:", latest=4, lost="app.log=B@5"
    ),
    "itself is gone, and nothing else": Case(
        "app.log=C@8", "app.log", seen="app.log=A@4", fate=Fate.NAMED, lost="app.log=A@6"
    ),
    "nothing is known of it": Case("app.log.1=B app.log=C", "app.log.1 app.log"),
    "the next one is there": Case(
        "app.log.1=B app.log=C", "app.log.1 app.log", seen="app.log.1=A app.log=B"
    ),
    "the next one is, though it was renamed and removed itself": Case(
        "app.log.1=B app.log=C",
        "app.log.1 app.log",
        seen="app.log.1=A app.log=B",
        fate=Fate.REMOVED,
    ),
    "an empty one that stood between them is there": Case(
        "app.log.2=E: app.log.1=C app.log=D",
        "app.log.2 app.log.1 app.log",
        DOUBTFUL,
        seen="app.log.3=A app.log.2=E: app.log.1=B app.log=C",
        fate=Fate.REMOVED,
    ),
    "the next one is there, and so is an empty one between them": Case(
        "app.log.2=E: app.log.1=B app.log=C",
        "app.log.2 app.log.1 app.log",
        seen="app.log.2=A app.log.1=E: app.log=B",
        fate=Fate.REMOVED,
    ),
    "an empty one came between them": Case(
        "app.log.2=E: app.log.1=B app.log=C",
        "app.log.2 app.log.1 app.log",
        seen="app.log.1=A app.log=B",
        fate=Fate.REMOVED,
    ),
    "the next one's number was given to another file": Case(
        "app.log.1=B:X app.log=C", "app.log.1 app.log", DOUBTFUL, seen="app.log.1=A app.log=B"
    ),
    "the next one's number was given to a compressed file": Case(
        "app.log.1.gz=B app.log=C", "app.log.1.gz app.log", DOUBTFUL, seen="app.log.1=A app.log=B"
    ),
    "one stands before the next one": Case(
        "app.log.2=N app.log.1=B app.log=C",
        "app.log.2 app.log.1 app.log",
        DOUBTFUL,
        seen="app.log.1=A app.log=B",
    ),
    "no file is there": Case("", "", DOUBTFUL, seen="app.log=A"),
    # --- the log was truncated ---
    "the log was truncated": Case("app.log=A:B", "app.log", seen="app.log=A"),
    "the log was truncated, and is empty": Case("app.log=A:", "app.log", seen="app.log=A"),
    "it was copied before it had grown to its end": Case(
        "app.log.1=C:A app.log=A:B", "app.log", seen="app.log=A", copies="app.log.1=C:A"
    ),
    "a file came that is no copy of it": Case(
        "app.log.1=C app.log=A:B", "app.log.1 app.log", DOUBTFUL, seen="app.log=A"
    ),
    "a rotated file has its number": Case(
        "app.log.1=A:B app.log=C", "app.log.1 app.log", DOUBTFUL, seen="app.log=A"
    ),
    "an empty file came": Case("app.log.1=C: app.log=A:B", "app.log.1 app.log", seen="app.log=A"),
    "another file is the log": Case("app.log=B", "app.log", DOUBTFUL, seen="app.log=A"),
    "the number of the file that is open seems to be the log's": Case(
        "app.log=A:B", "app.log", DOUBTFUL, seen="app.log=A", fate=Fate.REMOVED
    ),
    "the same, but nothing was taken of it": Case(
        "app.log=A:B", "app.log", seen="app.log=A:", end=START, fate=Fate.REMOVED
    ),
    # --- what becomes of its file is known ---
    "it was removed under the log's name": Case(
        "app.log=B", "app.log", seen="app.log=A", fate=Fate.NAMED
    ),
    "it was renamed and then removed": Case(
        "app.log=B", "app.log", DOUBTFUL, seen="app.log=A", fate=Fate.REMOVED
    ),
    "the same of one that was not seen": Case("app.log=B", "app.log", fate=Fate.REMOVED),
    # --- nothing was taken of it ---
    "nothing was taken, and it is gone": Case(
        "app.log=B", "app.log", DOUBTFUL, seen="app.log=A:", end=START
    ),
    "nothing was taken, and it was renamed and removed": Case(
        "app.log=B", "app.log", DOUBTFUL, seen="", end=START, fate=Fate.REMOVED
    ),
    "nothing was taken, and it was renamed since": Case(
        "app.log.1=A:B app.log=C", "app.log.1 app.log", seen="app.log=A:", end=START
    ),
    "there was no log": Case(
        "app.log.2=O app.log.1=B app.log=C", "app.log.1 app.log", seen="app.log.1=O", end=START
    ),
    # --- which files are older ---
    "older ones were renamed": Case(
        "app.log.3=O app.log.2=P app.log.1=N app.log=B",
        "app.log.1 app.log",
        DOUBTFUL,
        seen="app.log.2=O app.log.1=P app.log=A",
    ),
    "an older one was renamed to the log": Case(
        "app.log.1=N app.log=O", "app.log.1 app.log", DOUBTFUL, seen="app.log.1=O app.log=A"
    ),
    "an older one was compressed": Case(
        "app.log.2.gz=Q:O app.log.1=N app.log=B",
        "app.log.1 app.log",
        DOUBTFUL,
        seen="app.log.1=O app.log=A",
    ),
    "one that came while it was the log is older": Case(
        f"app.log.2=O@{FIRST_LOOK} app.log.1=N@{NEW + 2} app.log=B",
        "app.log.1 app.log",
        DOUBTFUL,
        seen=f"app.log=A@{NEW + 1}",
        latest=NEW,
    ),
    "an empty one that is older does not hide those before it": Case(
        f"app.log.2=N app.log.1=O:@{FIRST_LOOK} app.log=B",
        "app.log.2 app.log",
        DOUBTFUL,
        seen=f"app.log=A@{NEW + 1}",
        latest=NEW,
    ),
    "a copy that was made of it goes on after it": Case(
        "app.log.1=C app.log=B",
        "app.log.1 app.log",
        DOUBTFUL,
        seen="app.log.1=C app.log=A",
        made="app.log.1=C",
    ),
    "a copy that was being made holds no older lines": Case(
        f"app.log.1=C@{NEW} app.log=B",
        "app.log.1 app.log",
        DOUBTFUL,
        seen=f"app.log=A@{NEW + 1}",
        latest=NEW,
        left_out="app.log.1=C",
    ),
    # --- a file that somebody writes to, and that may be the log's ---
    "a stranger came since": Case(
        f"app.log.1=A@{NEW} app.log=B", "app.log", STRANGE, place=0, strangers=f"app.log.2=S@{NEW}"
    ),
    "a stranger was there before": Case(
        f"app.log.1=A@{NEW + 2} app.log=B", "app.log", place=0, strangers=f"app.log.2=S@{NEW}"
    ),
    "a stranger was there at the first look": Case(
        f"app.log.1=A@{FIRST_LOOK} app.log=B",
        "app.log",
        place=0,
        strangers=f"app.log.2=S@{FIRST_LOOK}",
    ),
    "it is not known when a stranger came": Case(
        "app.log.1=A app.log=B", "app.log", place=0, strangers="app.log.2=S"
    ),
    "a stranger came, and it is not known since when the file is there": Case(
        "app.log.1=A app.log=B", "app.log", STRANGE, place=0, strangers=f"app.log.2=S@{NEW}"
    ),
    "a stranger came since a log that was truncated": Case(
        "app.log=A:B",
        "app.log",
        STRANGE,
        seen=f"app.log=A@{FIRST_LOOK}",
        strangers=f"app.log.2=S@{NEW}",
    ),
    "a stranger came, and files may have been removed": Case(
        "app.log=B",
        "app.log",
        DOUBTFUL,
        seen=f"app.log=A@{FIRST_LOOK}",
        strangers=f"app.log.2=S@{NEW}",
    ),
    "a stranger came before there was a log": Case(
        "app.log=B", "app.log", seen="", end=START, strangers=f"app.log.2=S@{NEW}"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_these_files_may_follow_a_generation(case: Case) -> None:
    found, why = candidates(case.predecessor)
    assert ([one.path.name for one in found], why) == (case.follow.split(), case.why)


SHORT = Position(LEAST_ALIKE - 1, 0xABC, 0xDEF)


@pytest.mark.parametrize(
    ("name", "end", "is_there", "was_live", "may_copy", "may_hold"),
    [
        # a copy of it, whose original goes on
        ("app.log", END, True, False, True, True),
        ("app.log.1", END, True, False, True, True),
        # it was rotated under a name of its own
        ("app.log", END, True, True, True, False),
        # files that are named for their dates are no copies
        ("app.log", END, True, False, False, False),
        # its file is gone: an editor wrote the log anew
        ("app.log", END, False, True, True, True),
        ("app.log", END, False, False, False, True),
        # a few bytes are alike by chance
        ("app.log", SHORT, False, False, True, False),
        ("app.log", SHORT, True, False, True, False),
        ("app.log.1", SHORT, True, False, True, False),
        ("app.log.1", SHORT, False, False, True, True),
        # every file holds nothing
        ("app.log.1", START, False, False, True, False),
    ],
)
def test_a_candidate_may_hold_all_of_the_generation_and_go_on(
    name: str, end: Position, is_there: bool, was_live: bool, may_copy: bool, may_hold: bool
) -> None:
    place = 0 if is_there else None
    before = Predecessor(
        Snapshot(entries("app.log.2=A")), end, place, was_live=was_live, may_copy=may_copy
    )
    assert may_hold_all(entry(f"{name}=B"), before) is may_hold
