"""Which file follows which: from the end of one generation to the start of the next."""

from server.logs.archive import COPY_LAG, Archive, FoundFile, pass_over, trace_of
from server.logs.files import File
from server.logs.generation import Trace
from server.logs.listing import Entry, Snapshot
from server.logs.position import CONTEXT, HEAD, START, Position
from server.logs.trimming import LEAST_CONTEXT, LEAST_IN_OTHERS, find_context
from server.logs.trouble import CannotReadError

LEAST_ALIKE = 16
"""Bytes that a file must have in common with the one before, or the log with one that is gone, to
be taken for a copy that goes on: shorter ones may be alike by chance."""

DOUBTFUL = "files may have been removed before they were read"
"""Why it cannot be told that a file follows another one."""


class Succession:
    """What follows a generation among the files of `archive`. It belongs in a thread."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def following(
        self, file: File | None, end: Position, trace: Trace | None, context: bytes = b""
    ) -> FoundFile | None:
        """The file that follows the generation that ends at `end`, None if there is none yet.

        file: what holds that generation, if it is at hand.
        trace: where its file stood, if it was seen before.
        context: the last bytes of it, to be looked for in a file whose front was cut off.
        """
        snapshot = self._archive.snapshot()
        if end == START:
            file = None  # nothing was taken of it, so files may have come before it unseen
        index = snapshot.index.get(file.identity) if file else None
        if index is None:
            index = max(self._archive.copies(snapshot, end), default=None)
        renamed = index is not None and bool(file and file.was_live)
        rest, why = self._after(snapshot, index, file, end, trace)
        for entry in rest:
            if trace and not entry.is_log and trace.is_older(entry):
                continue  # it was there before, whatever its name says now
            try:
                following = self._archive.open(entry)
                place = trace_of(following, snapshot)
            except CannotReadError as error:
                why = pass_over(entry, error)
                continue
            if not entry.is_log and not following.size and not following.may_grow():
                why = following.damage or why
                continue
            # A file that holds all of the one before is a copy of the log whose original
            # goes on, or a log that an editor wrote anew; unless that one still has a
            # name of its own, given to it by a rotation.
            has_copy = index is not None
            least = LEAST_ALIKE if entry.is_log or has_copy else 1
            if end.offset >= least and not renamed and following.holds(end):
                return FoundFile(following, end, place, has_copy=has_copy)
            kept = None
            if index is None:
                kept = _kept(following, entry, file, context, end)
            return FoundFile(following, kept or START, place, "" if kept else why, has_copy)
        return None

    def _after(
        self,
        snapshot: Snapshot,
        index: int | None,
        file: File | None,
        end: Position,
        trace: Trace | None,
    ) -> tuple[list[Entry], str]:
        """The files after the one at `index`, and why they may not be all.

        A generation that has no file any more is followed by the files that were not older.
        The first of them follows it for sure if it was seen to do so, or if the generation's file
        was the log until it was removed or replaced, or still is the log, truncated, and nothing
        was copied from it since. A file that was renamed or copied first may have had others
        after it that were removed, too.
        """
        entries = snapshot.entries
        if index is not None:
            return entries[index + 1 :], ""
        if trace:
            older = [
                number
                for number, entry in enumerate(entries)
                # where one stands of which nothing is known says nothing about those before it
                if entry.facts.text and not entry.is_log and trace.is_older(entry)
            ]
            entries = [
                entry
                for entry in entries[max(older, default=-1) + 1 :]
                if entry.is_log or not self._is_copy(entry, end, trace)
            ]
            if entries and trace.is_followed_by(entries[0]):
                return entries, ""
            filled = [entry for entry in entries if entry.is_log or entry.facts.text]
            is_log = bool(filled) and filled[0].is_log
            if file is None and is_log and filled[0].identity == trace.identity:
                return entries, ""
        if file and (not file.is_deleted or file.last_name == self._archive.target().name):
            return entries, ""
        is_doubtful = trace is not None and end != START
        return entries, DOUBTFUL if is_doubtful else ""

    def _is_copy(self, entry: Entry, end: Position, trace: Trace) -> bool:
        if not trace.head.startswith(entry.facts.head):
            return False
        try:
            return is_copy(self._archive.open(entry), entry, end, trace)
        except CannotReadError:
            return False


def is_copy(file: File, entry: Entry | None, end: Position, trace: Trace | None) -> bool:
    """Whether `file` is a copy made before the generation had grown to its `end`.

    `entry` is the file as it was seen; None if it has no name.
    """
    if trace is None or not file.size < end.offset <= file.size + COPY_LAG:
        return False
    if entry and trace.is_older(entry):
        return False
    return file.read(0, HEAD) == trace.head[: file.size]


def _kept(
    file: File, entry: Entry, before: File | None, context: bytes, last: Position
) -> Position | None:
    """How far a file that was written anew holds what the one `before` did; None if it does not.

    Its front may have been cut off: then `context`, the bytes before `last`, stands at another
    offset. Or its end: that is sure of the log itself only, before it is rotated.
    """
    if entry.is_log and before and file.size:
        end = file.position(file.size)
        if end and before.holds(end):
            return end
    least = LEAST_CONTEXT if entry.is_log else LEAST_IN_OTHERS
    kept = find_context(context, last.offset, file.read, file.size, least)
    return file.position(kept) if kept else None


def context_of(file: File, end: Position) -> bytes:
    """The last bytes of a generation that ends at `end`, CONTEXT of them or all there are.

    None of them where they cannot be read.
    """
    start = max(0, end.offset - CONTEXT)
    try:
        return file.read(start, end.offset - start)
    except CannotReadError:
        return b""
