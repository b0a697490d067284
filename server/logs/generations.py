"""The generations of a log that this process knows, and the files that hold them."""

import time
from collections import OrderedDict
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from server.logs.files import File, Identity
from server.logs.generation import Generation, Trace
from server.logs.position import START, Position
from server.logs.succession import is_copy
from server.logs.trouble import CannotReadError

IDLE = 60.0
"""Seconds that an older file stays open after it was last read."""

MOST_OPEN = 16
"""Older files that stay open at the same time: of a compressed one, two descriptors."""

MOST_KNOWN = 1000
"""Generations that are remembered."""


class Held(NamedTuple):
    """A file that holds a generation, and what was found out about it in a thread."""

    file: File
    end: Position
    trace: Trace
    copied_from: list[Generation]


class Generations:
    """Remembers which file holds which generation, and keeps a few of them open."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Identity, Position], Generation] = OrderedDict()
        self._followed: dict[Position, list[Generation]] = {}  # by where they end
        self._open: OrderedDict[Generation, tuple[File, float]] = OrderedDict()
        self._first: Generation | None = None  # that was followed, once it is finished

    def ending_at(self, position: Position) -> Generation | None:
        """The generation that ends there, whether its file is still there or not."""
        followed = self._followed.get(position)
        if followed:
            return followed[-1]
        read_back = (one for (_, end), one in self._known.items() if end == position)
        return next(read_back, None)

    def open_at(self, position: Position) -> Generation | None:
        """One that is still open, and whose file holds a position though it has no name any more.

        It belongs in a thread.
        """
        for generation, (file, _) in list(self._open.items()):
            with suppress(CannotReadError):
                if file.is_deleted and file.holds(position):
                    return generation
        return None

    def cut_back_before(self, position: Position) -> Generation | None:
        """The youngest generation whose end was cut off so that nothing stands at `position` now.

        What is left of its file is no copy that was made earlier.
        """
        followed = (one for one in reversed(self._known.values()) if one.number >= 0)
        return next((one for one in followed if _was_cut_back(one, position)), None)

    def was_followed(self, file: File) -> bool:
        """Whether a generation that `file` holds was followed to its end.

        Another file may have had its number: only one that begins in the same way is the same.
        """
        return any(
            identity == file.identity and generation.number >= 0 and _begins(file, generation)
            for (identity, _), generation in self._known.items()
        )

    def first_between(self, generation: Generation, following: Trace | None) -> Generation | None:
        """The generation that was followed first, if it comes after one that was read back, and
        before the file that was found to follow that: its own may have been destroyed since.
        """
        first, trace, end = self._first, generation.trace, generation.end
        if not (first and first.trace and trace and end) or generation.number >= 0:
            return None
        return first if first.trace.came_between(trace, end, following) else None

    def followed_since(self, generation: Generation) -> Generation | None:
        """The same generation as it was followed to its end, after it had been read back: the
        follower had yet to come to its file then.
        """
        trace, end = generation.trace, generation.end
        if generation.number >= 0 or trace is None or end is None or end == START:
            return None
        followed = reversed(self._followed.get(end, []))
        return next((one for one in followed if _is_of(one, trace.identity)), None)

    def remember(self, generation: Generation, file: File) -> None:
        """Note that `file` held a generation when it was finished."""
        assert generation.end is not None
        if generation.number == 0:
            self._first = generation
        self._known[file.identity, generation.end] = generation
        followed = self._followed.setdefault(generation.end, [])
        if generation.number >= 0 and generation not in followed:
            followed.append(generation)
        if len(self._known) > MOST_KNOWN:
            (_, end), forgotten = self._known.popitem(last=False)
            rest = [one for one in self._followed.get(end, []) if one is not forgotten]
            self._followed[end] = rest
            if not rest:
                del self._followed[end]

    # --- files that are read back ------------------------------------------------------

    def look_into(self, file: File, trace: Trace) -> Held:
        """Find out which generation a file holds. It belongs in a thread; raises OSError."""
        end = file.position(file.size) or START
        copied_from = [
            generation
            for generation in chain.from_iterable([*self._followed.values()])
            if generation.next
            and generation.next.name == "truncated"
            and generation.end
            and (
                end in generation.copies
                or is_copy(file, trace.entry, generation.end, generation.trace)
            )
        ]
        return Held(file, end, trace, copied_from)

    def adopt(self, held: Held) -> Generation:
        """The generation that an older file holds, whether it was known before or not.

        One that was followed comes first: what came after it is known, gone or not. So a copy
        that was made before the log was truncated counts as what it was made of.
        """
        known: Generation | None = None
        for found in (self._followed.get(held.end, []), held.copied_from):
            if known is None and len(found) == 1:
                [known] = found
        known = known or self._known.get((held.file.identity, held.end))
        if known is None:
            known = Generation(end=held.end)
            known.trace, known.damage = held.trace, held.file.damage
        self.remember(known, held.file)
        if known not in self._open:
            self.keep(known, held.file)
        return known

    def file_of(self, generation: Generation) -> File | None:
        """The open file that holds a generation, if there is one."""
        if generation not in self._open:
            return None
        file, _ = self._open[generation]
        self.keep(generation, file)
        return file

    def keep(self, generation: Generation, file: File) -> None:
        """Keep a file open for those who read it back."""
        self._open[generation] = file, time.monotonic()
        self._open.move_to_end(generation)
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def drop(self, generation: Generation) -> None:
        """Close the file of a generation, which does not hold it any more."""
        self._open.pop(generation, None)

    def drop_idle(self) -> None:
        """Close files that nobody reads, so that what is deleted frees its disk space."""
        while self._open:
            generation, (_, used) = next(iter(self._open.items()))
            if time.monotonic() - used < IDLE:
                break
            del self._open[generation]


def _was_cut_back(generation: Generation, position: Position) -> bool:
    if not (generation.next and generation.end and generation.trace):
        return False
    kept = generation.next.end.position
    is_within = 0 < kept.offset < position.offset <= generation.end.offset
    return is_within and all(map(generation.may_begin_before, (kept, position)))


def _is_of(generation: Generation, identity: Identity) -> bool:
    return generation.trace is not None and generation.trace.identity == identity


def _begins(file: File, generation: Generation) -> bool:
    head = generation.trace.head if generation.trace else b""
    return file.read(0, len(head)) == head
