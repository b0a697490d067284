"""Which file follows which: from the end of one generation to the start of the next."""

from collections.abc import Iterable, Iterator

from server.logs.archive import COPY_LAG, Archive, FoundFile, pass_over
from server.logs.candidates import Fate, Predecessor, candidates, may_hold_all
from server.logs.checkpoints import Checkpoints
from server.logs.files import File
from server.logs.generation import Trace
from server.logs.holes import position_before
from server.logs.position import HEAD, START, Position
from server.logs.snapshot import Entry, Snapshot
from server.logs.trimming import LEAST_CONTEXT, LEAST_IN_OTHERS, NOTHING, Context, find_context
from server.logs.trouble import CannotReadError

MOST_UNSEEN = 3.0
"""Seconds for which nobody may have looked when a log is seen to be removed: in longer ones, others
may have come to its path, and be gone."""


class Succession:
    """What follows a generation among the files of `archive`. It belongs in a thread."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def following(
        self,
        file: File | None,
        end: Position,
        trace: Trace | None,
        context: Context = NOTHING,
        checkpoints: Checkpoints | None = None,
    ) -> FoundFile | None:
        """The file that follows the generation that ends at `end`, None if there is none yet.

        file: what holds that generation, if it is at hand.
        trace: where its file stood, if it was seen before.
        context: what stands at the end of it, to be looked for in a file whose front was cut off.
        checkpoints: what is remembered of it, if it was followed; they tell its copies for sure.
        """
        before = self._observe(file, end, trace, checkpoints)
        entries, why = candidates(before)
        copies = tuple(self._ends(before.copies))
        for entry in entries:
            try:
                following = self._archive.open(entry)
                own = self._archive.trace_of(following, before.snapshot)
            except CannotReadError as error:
                why = pass_over(entry, error)
                continue
            if not entry.is_log and not following.size and not following.may_grow():
                why = following.damage or why
                continue
            kept: Position | None = None
            if may_hold_all(entry, before) and following.holds(end):
                kept = end
            elif not before.is_there:
                kept = _kept(following, entry, None if before.is_empty else file, context, end)
            why = "" if kept else why
            return FoundFile(following, kept or START, own, why, before.is_there, copies)
        return None

    def _observe(
        self,
        file: File | None,
        end: Position,
        trace: Trace | None,
        checkpoints: Checkpoints | None,
    ) -> Predecessor:
        """What a look at the files shows of a generation."""
        snapshot, place = self._archive.snapshot(), None
        if file and end != START:  # else files may have come before it unseen
            place = snapshot.index.get(file.identity)
        if place is None:
            place = max(self._archive.copies(snapshot, end), default=None)
        copies: list[Entry] = []
        if place is None and trace:
            copies = self._shorter_copies(snapshot, end, trace, checkpoints)
        fate, may_copy = self._fate(file), self._archive.layout.may_copy
        was_live = file is not None and file.was_live
        return Predecessor(snapshot, end, place, trace, copies, fate, was_live, may_copy)

    def _fate(self, file: File | None) -> Fate:
        if file is None:
            return Fate.UNKNOWN
        if not file.is_deleted:
            return Fate.NAMED
        was_log = self._archive.layout.has_been_live(file.last_name)
        return Fate.NAMED if was_log and file.unseen < MOST_UNSEEN else Fate.REMOVED

    def _shorter_copies(
        self, snapshot: Snapshot, end: Position, trace: Trace, checkpoints: Checkpoints | None
    ) -> list[Entry]:
        """Rotated files that are copies of the generation, made before it had grown to `end`."""
        copies = []
        for entry in snapshot.entries:
            if entry.is_log or not trace.head.startswith(entry.facts.head):
                continue
            try:
                if is_copy(self._archive.open(entry), entry, end, trace, checkpoints):
                    copies.append(entry)
            except CannotReadError:
                continue
        return copies

    def _ends(self, entries: Iterable[Entry]) -> Iterator[Position]:
        for entry in entries:
            try:
                file = self._archive.open(entry)
                end = file.position(file.size)
            except CannotReadError:
                continue
            if end and end != START:  # where any file begins
                yield end


def is_copy(
    file: File,
    entry: Entry | None,
    end: Position,
    trace: Trace | None,
    checkpoints: Checkpoints | None = None,
) -> bool:
    """Whether `file` is a copy made before the generation had grown to its `end`.

    `entry` is the file as it was seen; None if it has no name. One that holds only NUL bytes is
    as many others are. What is remembered of a generation that was followed tells for sure;
    without it, one that begins in the same way may be another generation with the same header,
    and the more so, the more is missing.
    """
    if trace is None or not file.size < end.offset:
        return False
    if entry and (entry.seen.is_blank or trace.is_older(entry)):
        return False
    if file.read(0, HEAD) != trace.head[: file.size]:
        return False
    if checkpoints:
        return checkpoints.equal(file) == file.size
    return end.offset <= file.size + COPY_LAG


def _kept(
    file: File, entry: Entry, before: File | None, context: Context, last: Position
) -> Position | None:
    """How far a file that was written anew holds what the one `before` did; None if it does not.

    Its front may have been cut off: then `context`, the bytes before `last`, stands at another
    offset. Or its end: that is sure of the log itself only, before it is rotated, and of whole
    lines. The rest may be the beginning of a new line, alike by chance.
    """
    if entry.is_log and before:
        end = position_before(file, file.size, 0)
        if end and end != START and before.holds(end):
            return end
    least = LEAST_CONTEXT if entry.is_log else LEAST_IN_OTHERS
    kept = find_context(context, last.offset, file.read, file.size, least)
    return file.position(kept) if kept else None
