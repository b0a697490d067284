"""The files of a log, found by what they hold, whatever their names are by now.

All of this reads files, and so belongs in a thread. Every method may raise OSError, with
errno EAGAIN while rotations come one after the other: the caller tries again.
"""

from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from server.logs.files import CannotUnpackError, File, PackedFile
from server.logs.generation import Trace
from server.logs.listing import Entry, Listing, Snapshot
from server.logs.position import CONTEXT, HEAD, START, Position
from server.logs.trimming import find_context, find_position
from server.logs.unpacking import Unpacker

COPY_LAG = 1024 * 1024
"""Bytes that a log may grow between logrotate's copy of it and its truncation."""

MOST_TRIMMED = 3
"""Files in which a place is looked for at other offsets."""

UNPACKED_FOR = 60.0
"""Seconds for which an unpacked file is kept after it was last asked for."""

LEAST_ALIKE = 16
"""Bytes that the log must have in common with one that is gone to be taken for a copy of it:
shorter ones may be alike by chance."""

SHARED = 64 * 1024
"""Bytes at the start of its files that a log's generations may have in common."""


class Step(NamedTuple):
    """From one generation to the next: the file that holds it, and where it begins there.

    `why` says what cannot be told about what stood in between; it is empty where the next one
    is known to follow.
    """

    file: File
    start: Position
    trace: Trace
    """Where the file stood among the others when it was found."""
    why: str = ""
    has_copy: bool = False
    """Whether another file holds all of the generation before, or is known to have held it."""


class Archive:
    """The files of the log at `path`; of compressed ones up to `max_unpack` bytes are read."""

    def __init__(self, path: Path, max_unpack: int) -> None:
        self.path = path
        self._listing = Listing(path)
        self._unpacker = Unpacker(max_unpack)
        self._without_pieces: Snapshot | None = None  # the last one that has none

    def drop_idle(self) -> None:
        """Close unpacked files that nobody has asked for in a while."""
        self._unpacker.drop_idle(UNPACKED_FOR)

    def stop(self) -> None:
        """Give up what is being unpacked: whoever waits for it gets OSError."""
        self._unpacker.stop()

    def target(self) -> Path:
        """The file that the log's path names now, symbolic links followed."""
        return self._listing.target()

    def snapshot(self) -> Snapshot:
        """All files that are there now, but for a copy of the log that is not finished."""
        snapshot = self._listing.look()
        if self._without_pieces is snapshot:
            return snapshot
        log = snapshot.log
        plain = {
            entry.seen.mark.rank: entry
            for entry in snapshot.entries
            if entry.seen.mark and not entry.is_packed
        }
        pieces = [
            entry
            for entry in snapshot.entries
            if (log and self._is_piece(entry, log))
            or (entry.is_packed and self._is_made_of(entry, plain))
        ]
        if not pieces:
            self._without_pieces = snapshot
            return snapshot
        return Snapshot([entry for entry in snapshot.entries if entry not in pieces])

    def _is_made_of(
        self, packed: Entry, plain: "dict[tuple[float, tuple[int, ...]], Entry]"
    ) -> bool:
        """Whether a compressed file is made, or being made, of a plain one that is still there.

        Two of one name that hold different lines are two generations: one of them is left over
        from before compression was switched on or off.
        """
        assert packed.seen.mark
        entry = plain.get(packed.seen.mark.rank)
        if entry is None or entry.seen.mark is None:
            return False
        is_same_name = entry.seen.mark.shape == packed.seen.mark.shape
        if not is_same_name or not entry.facts.head.startswith(packed.facts.head):
            return False
        if packed.is_recent:
            return True
        try:
            content, file = self._open(packed), self._open(entry)
        except CannotUnpackError:
            return False
        end = content.position(content.size)
        return end is not None and file.holds(end)

    def _is_piece(self, entry: Entry, log: Entry) -> bool:
        """Whether a rotated file is a copy of the log that is not finished, or cut in a line."""
        if entry.is_log or entry.is_packed or not entry.seen.size:
            return False
        if entry.facts.is_terminated and not entry.is_recent:
            return False
        if not log.facts.head.startswith(entry.facts.head):
            return False
        file, live = self._open(entry), self._open(log)
        size = file.size
        if size and file.read(size - 1, 1) == b"\n" and not file.has_writer():
            return False
        end = file.position(size)
        return end is not None and live.holds(end)

    def _open(self, entry: Entry) -> File:
        """The file with what `entry` holds, unpacked. Raises CannotUnpackError."""
        try:
            file = entry.open()
            return self._unpacker.unpack(file) if isinstance(file, PackedFile) else file
        except OSError:
            self._listing.forget()
            raise

    def watch(self, file: File) -> None:
        """Note that lines of `file` were followed, after those of the files before it."""
        self._listing.watch(file.identity, file.read(0, HEAD))

    def trace_of_none(self) -> Trace:
        """What a log that is not there comes after: all files that are there now."""
        snapshot = self.snapshot()
        return Trace((0, 0), snapshot, len(snapshot.entries), b"")

    def youngest(self) -> Step | None:
        """The file to follow: the log's, or the oldest one that is still being written."""
        snapshot = self.snapshot()
        for entry in snapshot.entries:
            if entry.is_packed:
                continue
            if entry.is_log or entry.is_recent:
                file = self._open(entry)
                if entry.is_log or file.may_grow():
                    return Step(file, START, _trace(file, snapshot))
        return None

    # --- search ----------------------------------------------------------------------

    def count(self) -> int:
        """How many files there are."""
        return len(self.snapshot().entries)

    def oldest(self, followed: File | None) -> Step | None:
        """The oldest file that holds anything, None if that is `followed` or the log itself."""
        why, snapshot = "", self.snapshot()
        for entry in snapshot.entries:
            if entry.is_log or (followed and entry.identity == followed.identity):
                break
            try:
                file = self._open(entry)
            except CannotUnpackError as error:
                why = str(error)
                continue
            if file.size:
                return Step(file, START, _trace(file, snapshot), why)
        return None

    def is_older(self, file: File, other: File) -> bool:
        """Whether both have names, and `file` came first."""
        index = self.snapshot().index
        first, second = index.get(file.identity), index.get(other.identity)
        return first is not None and second is not None and first < second

    def end_before(self, end: Position, followed: File | None) -> Position | None:
        """Where the file before `followed` ends, or before that which ends at `end`."""
        snapshot = self.snapshot()
        if followed:
            index = snapshot.index.get(followed.identity, 0)
        else:
            index = max(self._copies(snapshot, end), default=0)
        for entry in reversed(snapshot.entries[:index]):
            try:
                file = self._open(entry)
            except CannotUnpackError:
                return None
            if file.size:
                return file.position(file.size)
        return None

    def search(self, position: Position, but: File | None = None) -> Step | None:
        """The file that holds `position` and is not `but`.

        Where several do, as just after a header that all of them share, it is the oldest:
        to begin too early sends lines twice, to begin too late loses some. A file that
        cannot be unpacked holds nothing.
        """
        # Youngest first: what is truncated by now was copied before, so the copy is seen.
        found, snapshot = None, self.snapshot()
        for entry in reversed(snapshot.entries):
            if (but and but.identity == entry.identity) or not _may_hold(entry, position):
                continue
            try:
                file = self._open(entry)
            except CannotUnpackError:
                continue
            if file.holds(position):
                found = Step(file, position, _trace(file, snapshot))
                if position.offset > SHARED:
                    break
        return found

    def search_copy(self, position: Position) -> Step | None:
        """The youngest rotated file that is a copy made shortly before `position` was written.

        logrotate's copytruncate copies, and the log grows before it is truncated.
        """
        length, snapshot = min(position.offset, HEAD), self.snapshot()
        for entry in reversed(snapshot.entries):
            if entry.is_log or crc32(entry.facts.head[:length]) != position.head:
                continue
            try:
                file = self._open(entry)
            except CannotUnpackError:
                continue
            if length <= file.size < position.offset <= file.size + COPY_LAG:
                return Step(file, position, _trace(file, snapshot))
        return None

    def search_trimmed(self, position: Position) -> Step | None:
        """The file whose front was cut off and whose rest still holds `position`.

        What stood before the position is looked for at other offsets, in the youngest files.
        """
        snapshot = self.snapshot()
        for entry in reversed(snapshot.entries[-MOST_TRIMMED:]):
            try:
                file = self._open(entry)
            except CannotUnpackError:
                continue
            found = find_position(position, file.read, file.size)
            place = file.position(found) if found else None
            if place:
                return Step(file, place, _trace(file, snapshot))
        return None

    # --- what follows ----------------------------------------------------------------

    def following(
        self, file: File | None, end: Position, trace: Trace | None, context: bytes = b""
    ) -> Step | None:
        """The file that follows the generation that ends at `end`, None if there is none yet.

        file: what holds that generation, if it is at hand.
        trace: where its file stood, if it was seen before.
        context: the last bytes of it, to be looked for in a log whose front was cut off.
        """
        snapshot = self.snapshot()
        if end == START:
            file = None  # nothing was taken of it, so files may have come before it unseen
        index = snapshot.index.get(file.identity) if file else None
        if index is None:
            index = max(self._copies(snapshot, end), default=None)
        renamed = index is not None and bool(file and file.was_live)
        rest, why = self._after(snapshot, index, file, end, trace)
        for entry in rest:
            try:
                following = self._open(entry)
            except CannotUnpackError as error:
                why = str(error)
                continue
            if not entry.is_log and not following.size and not following.may_grow():
                continue
            # A file that holds all of the one before is a copy of the log whose original
            # goes on, or a log that an editor wrote anew; unless that one still has a
            # name of its own, given to it by a rotation.
            has_copy, place = index is not None, _trace(following, snapshot)
            least = LEAST_ALIKE if entry.is_log else 1
            if end.offset >= least and not renamed and following.holds(end):
                return Step(following, end, place, has_copy=has_copy)
            kept = None
            if index is None and entry.is_log:
                kept = _kept(following, file, context, end)
            return Step(following, kept or START, place, "" if kept else why, has_copy)
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
        is still there, truncated, or was the log until it was removed or replaced. A file that
        was renamed first may have had others after it that were removed, too.
        """
        entries = snapshot.entries
        if index is not None:
            return entries[index + 1 :], ""
        if trace:
            older = [
                number
                for number, entry in enumerate(entries)
                if not entry.is_log and trace.is_older(entry)
            ]
            entries = [
                entry
                for entry in entries[max(older, default=-1) + 1 :]
                if entry.is_log or not self._is_copy(entry, end, trace)
            ]
            if entries and entries[0].identity == trace.successor:
                return entries, ""
            if file is None and trace.identity in snapshot.index:
                return entries, ""
        if file and (not file.is_deleted or file.last_name == self.target().name):
            return entries, ""
        is_doubtful = trace is not None and end != START
        return entries, "files may have been removed before they were read" if is_doubtful else ""

    def _is_copy(self, entry: Entry, end: Position, trace: Trace) -> bool:
        if not trace.head.startswith(entry.facts.head):
            return False
        try:
            return is_copy(self._open(entry), end, trace)
        except CannotUnpackError:
            return False

    def _copies(self, snapshot: Snapshot, end: Position) -> list[int]:
        """Which rotated files hold a generation that ends at `end`, and nothing else."""
        if end == START:
            return []
        found = []
        for number, entry in enumerate(snapshot.entries):
            if entry.is_log or not _may_hold(entry, end):
                continue
            if not entry.is_packed and entry.seen.size != end.offset and not entry.is_recent:
                continue
            try:
                if self._open(entry).ends_at(end):
                    found.append(number)
            except CannotUnpackError:
                continue
        return found


def _may_hold(entry: Entry, position: Position) -> bool:
    """Whether it begins as the file that `position` was taken from, and is not too short."""
    length = min(position.offset, HEAD)
    is_finished = not (entry.is_packed or entry.is_log or entry.is_recent)
    if is_finished and entry.seen.size < position.offset:
        return False
    if entry.is_log and len(entry.facts.head) < length:
        return True  # it has grown since, perhaps
    head = entry.facts.head
    return len(head) >= length and crc32(head[:length]) == position.head


def _trace(file: File, snapshot: Snapshot) -> Trace:
    place = snapshot.index.get(file.identity, len(snapshot.entries))
    return Trace(file.identity, snapshot, place, file.read(0, HEAD))


def is_copy(file: File, end: Position, trace: Trace | None) -> bool:
    """Whether `file` is a copy made before the generation had grown to its `end`."""
    if trace is None or not file.size < end.offset <= file.size + COPY_LAG:
        return False
    place = trace.snapshot.index.get(file.identity, trace.place)
    return place >= trace.place and file.read(0, HEAD) == trace.head[: file.size]


def _kept(log: File, before: File | None, context: bytes, last: Position) -> Position | None:
    """How far a log that was written anew holds what the one `before` did; None if it does not.

    Its end may have been cut off, or its front: then `context`, the bytes before `last`, stands
    at another offset.
    """
    if before and log.size:
        end = log.position(log.size)
        if end and before.holds(end):
            return end
    kept = find_context(context, last.offset, log.read, log.size)
    return log.position(kept) if kept else None


def context_of(file: File, end: Position) -> bytes:
    """The last bytes of a generation that ends at `end`, CONTEXT of them or all there are."""
    start = max(0, end.offset - CONTEXT)
    return file.read(start, end.offset - start)
