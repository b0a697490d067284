"""Which file follows which: from the end of one generation to the start of the next."""

from collections.abc import Iterator

from server.logs.archive import COPY_LAG, Archive, FoundFile, pass_over
from server.logs.checkpoints import Checkpoints
from server.logs.files import File
from server.logs.generation import Trace
from server.logs.position import CONTEXT, HEAD, START, Position
from server.logs.sightings import FIRST_LOOK
from server.logs.snapshot import Entry, Snapshot
from server.logs.trimming import LEAST_CONTEXT, LEAST_IN_OTHERS, find_context
from server.logs.trouble import CannotReadError

LEAST_ALIKE = 16
"""Bytes that a file must have in common with the one before, or the log with one that is gone, to
be taken for a copy that goes on: shorter ones may be alike by chance."""

DOUBTFUL = "files may have been removed before they were read"
"""Why it cannot be told that a file follows another one."""

STRANGE = "another file has come that may have been rotated from it, and is still written to"
"""The same where a file that may stand in between is written to, but was never seen as the log."""


class Succession:
    """What follows a generation among the files of `archive`. It belongs in a thread."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def following(
        self,
        file: File | None,
        end: Position,
        trace: Trace | None,
        context: bytes = b"",
        checkpoints: Checkpoints | None = None,
    ) -> FoundFile | None:
        """The file that follows the generation that ends at `end`, None if there is none yet.

        file: what holds that generation, if it is at hand.
        trace: where its file stood, if it was seen before.
        context: the last bytes of it, to be looked for in a file whose front was cut off.
        checkpoints: what is remembered of it, if it was followed; they tell its copies for sure.
        """
        snapshot, held = self._archive.snapshot(), file
        if end == START:
            file = None  # nothing was taken of it, so files may have come before it unseen
        index = snapshot.index.get(file.identity) if file else None
        if index is None:
            index = max(self._archive.copies(snapshot, end), default=None)
        renamed = index is not None and bool(file and file.was_live)
        copies: list[Entry] = []
        if index is None and trace:
            copies = self._shorter_copies(snapshot, end, trace, checkpoints)
        rest, why = self._after(snapshot, index, held, end, trace, copies)
        own = snapshot.entries[index] if index is not None else trace.entry if trace else None
        if not why and own and _may_be_followed_by_others(snapshot, own):
            why = STRANGE
        copied = tuple(self._ends(copies))
        for entry in rest:
            if trace and not entry.is_log and trace.is_older(entry):
                continue  # it was there before, whatever its name says now
            try:
                following = self._archive.open(entry)
                place = self._archive.trace_of(following, snapshot)
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
            may_go_on = not renamed and (self._archive.layout.may_copy or not has_copy)
            if end.offset >= least and may_go_on and following.holds(end):
                return FoundFile(following, end, place, has_copy=has_copy, copies=copied)
            kept = None
            if index is None:
                kept = _kept(following, entry, file, context, end)
            why = "" if kept else why
            return FoundFile(following, kept or START, place, why, has_copy, copied)
        return None

    def _after(
        self,
        snapshot: Snapshot,
        index: int | None,
        file: File | None,
        end: Position,
        trace: Trace | None,
        copies: list[Entry],
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
                entry for entry in entries[max(older, default=-1) + 1 :] if entry not in copies
            ]
            if entries and trace.is_followed_by(entries[0]):
                return entries, ""
            filled = [entry for entry in entries if entry.is_log or entry.facts.text]
            is_log = bool(filled) and filled[0].is_log
            is_same = is_log and filled[0].identity == trace.identity
            if is_same and (file is None or end == START):
                return entries, ""
        if file and (not file.is_deleted or self._archive.layout.has_been_live(file.last_name)):
            return entries, ""
        is_gone = file is not None or (trace is not None and trace.is_gone_from(snapshot))
        is_doubtful = trace is not None and (end != START or is_gone)
        return entries, DOUBTFUL if is_doubtful else ""

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

    def _ends(self, entries: list[Entry]) -> Iterator[Position]:
        for entry in entries:
            try:
                file = self._archive.open(entry)
                end = file.position(file.size)
            except CannotReadError:
                continue
            if end and end != START:  # where any file begins
                yield end


def _may_be_followed_by_others(snapshot: Snapshot, own: Entry) -> bool:
    """Whether a file came since that of a generation, of which it is not known whose it is.

    What was there at the first look may be of any age.
    """
    own_since = own.seen.since or FIRST_LOOK
    return any(
        one.since is not None and FIRST_LOOK < one.since >= own_since for one in snapshot.strangers
    )


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
