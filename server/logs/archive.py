"""The files of a log, found by what they hold, whatever their names are by now.

All of this reads files, and so belongs in a thread. Every method may raise OSError, with
errno EAGAIN while rotations come one after the other, and CannotReadError while the log itself
cannot be read: the caller tries again. A rotated file that cannot be read is passed over.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn
from zlib import crc32

from server.logs.files import File, Identity, PackedFile
from server.logs.generation import Trace
from server.logs.layout import Layout
from server.logs.listing import Listing
from server.logs.position import HEAD, START, Position
from server.logs.snapshot import Entry, Snapshot
from server.logs.trouble import CannotReadError
from server.logs.unpacking import Unpacker

COPY_LAG = 1024 * 1024
"""Bytes that a log may grow between logrotate's copy of it and its truncation."""

UNPACKED_FOR = 60.0
"""Seconds for which an unpacked file is kept after it was last asked for."""

SHARED = 64 * 1024
"""Bytes at the start of its files that a log's generations may have in common."""


class UnpackingNeededError(Exception):
    """A search has come to a file that has to be unpacked."""


class FoundFile(NamedTuple):
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
    copies: tuple[Position, ...] = ()
    """Where copies of the generation before end, which were made before it had grown to its end."""


class Archive:
    """The files of a log, whose files are laid out like that, or which is at that path.

    Of compressed ones up to `max_unpack` bytes are read.
    """

    def __init__(self, where: Path | Layout, max_unpack: int) -> None:
        self._listing = Listing(where)
        self.layout = self._listing.layout
        self.path = self.layout.path
        self._unpacker = Unpacker(max_unpack)
        self._without_pieces: Snapshot | None = None  # the last one that has none

    def drop_idle(self) -> None:
        """Close unpacked files that nobody has asked for in a while."""
        self._unpacker.drop_idle(UNPACKED_FOR)

    def stop(self) -> None:
        """Give up what is being unpacked: whoever waits for it gets OSError."""
        self._unpacker.stop()

    def target(self) -> Path:
        """The live file, symbolic links followed. Raises CannotReadError."""
        return self._listing.target()

    def snapshot(self) -> Snapshot:
        """All files that are there now, but for a copy of the log that is not finished."""
        snapshot = self._listing.look()
        if self._without_pieces is snapshot:
            return snapshot
        log = snapshot.log
        plain = {entry.path.name: entry for entry in snapshot.entries if not entry.is_packed}
        pieces = [
            entry
            for entry in snapshot.entries
            if (log and self.layout.may_copy and self._is_piece(entry, log))
            or (entry.is_packed and self._is_made_of(entry, plain))
        ]
        if not pieces:
            self._without_pieces = snapshot
            return snapshot
        whole = [entry for entry in snapshot.entries if entry not in pieces]
        left_out = frozenset(entry.identity for entry in pieces)
        return Snapshot(
            whole,
            snapshot.latest,
            left_out,
            snapshot.strangers,
            has_others=snapshot.has_others,
            lost=snapshot.lost,
        )

    def _is_made_of(self, packed: Entry, plain: dict[str, Entry]) -> bool:
        """Whether a compressed file is made, or being made, of a plain one that is still there.

        Two of one name that hold different lines are two generations: one of them is left over
        from before compression was switched on or off.
        """
        assert packed.seen.mark
        entry = plain.get(packed.path.name.removesuffix(packed.seen.mark.packing))
        if entry is None or not entry.facts.head.startswith(packed.facts.head):
            return False
        if packed.is_recent:
            return True
        try:
            content, file = self.open(packed), self.open(entry)
            end = content.position(content.size)
            return end is not None and file.holds(end)
        except CannotReadError:
            return False

    def _is_piece(self, entry: Entry, log: Entry) -> bool:
        """Whether a rotated file is a copy of the log that is not finished, or cut in a line."""
        if entry.is_log or entry.is_packed or not entry.seen.size:
            return False
        since, log_since = entry.seen.since, log.seen.since
        if since and log_since and since < log_since - 1:
            return False  # it was there before what the log holds now
        if entry.facts.is_terminated and not entry.is_recent:
            return False
        if not log.facts.head.startswith(entry.facts.head):
            return False
        try:
            file, live = self.open(entry), self.open(log)
            size = file.size
            if size and file.read(size - 1, 1) == b"\n" and not file.has_writer():
                return False
            end = file.position(size)
            return end is not None and live.holds(end)
        except CannotReadError:
            return False

    def open(self, entry: Entry, *, may_unpack: bool = True) -> File:
        """The file with what `entry` holds, unpacked. Raises CannotReadError.

        Raises UnpackingNeededError if it has to be unpacked first, but `may_unpack` forbids it.
        """
        try:
            file = entry.open()
            if not isinstance(file, PackedFile):
                return file
            if not may_unpack and not self._unpacker.has(file):
                raise UnpackingNeededError
            return self._unpacker.unpack(file)
        except OSError:
            self._listing.forget()
            raise

    def watch(self, file: File) -> None:
        """Note that lines of `file` were followed, after those of the files before it."""
        _, text = file.beginning()
        self._listing.watch(file.identity, text)

    def trace_of(self, file: File, snapshot: Snapshot) -> Trace:
        """Where a file that was found stands.

        Raises CannotReadError also where its end is unreadable: it can be passed over here, and not
        any more once it counts as found. Raises OSError, with errno EAGAIN, if it was truncated
        since the look at the directory: what came before what it holds now was not seen.
        """
        file.position(file.size)
        place = snapshot.index.get(file.identity, len(snapshot.entries))
        copies = frozenset(_copies(file, snapshot))
        trace = Trace(file.identity, snapshot, place, file.read(0, HEAD), copies)
        seen = trace.entry
        if seen and not seen.is_packed and not trace.head.startswith(seen.facts.head):
            self._change_of(file, seen)
        return trace

    def still_holds(self, found: FoundFile) -> FoundFile:
        """What was found, if its file begins as it did then. Raises OSError as `trace_of` does."""
        head, seen = found.trace.head, found.trace.entry
        if seen and found.file.read(0, len(head)) != head:
            self._change_of(found.file, seen)
        return found

    def _change_of(self, file: File, seen: Entry) -> NoReturn:
        self._listing.forget(seen.seen.version)
        raise OSError(errno.EAGAIN, "it was truncated just now", str(file.path))

    def trace_of_none(self) -> Trace:
        """What a log that is not there comes after: all files that are there now."""
        snapshot = self.snapshot()
        return Trace((0, 0), snapshot, len(snapshot.entries), b"")

    def youngest(self) -> FoundFile | None:
        """The file to follow: the log's, or the oldest one that is still being written."""
        snapshot = self.snapshot()
        for entry in snapshot.entries:
            if entry.is_packed:
                continue
            if entry.is_log or entry.is_recent:
                try:
                    file = self.open(entry)
                    if entry.is_log or file.may_grow():
                        return FoundFile(file, START, self.trace_of(file, snapshot))
                except CannotReadError as error:
                    pass_over(entry, error)
        return None

    # --- the files beside the log ---------------------------------------------------

    def count(self) -> int:
        """How many files there are."""
        return len(self.snapshot().entries)

    def needs_log(self) -> bool:
        """Whether the log is not there to tell which files are its own, and there are any."""
        snapshot = self.snapshot()
        return snapshot.log is None and snapshot.has_others

    def oldest(self, followed: File | None) -> tuple[FoundFile | None, str]:
        """The oldest file that holds anything, None if that is `followed` or the log itself.

        And why older ones cannot be read, empty if there are none of these.
        """
        why, snapshot = "", self.snapshot()
        for entry in snapshot.entries:
            if entry.is_log or (followed and entry.identity == followed.identity):
                break
            try:
                file = self.open(entry)
                if file.size:
                    return FoundFile(file, START, self.trace_of(file, snapshot)), why
                why = file.damage or why
            except CannotReadError as error:
                why = str(error)
        return None, why

    def is_older(self, file: File, other: File) -> bool:
        """Whether both have names, and `file` came first."""
        index = self.snapshot().index
        first, second = index.get(file.identity), index.get(other.identity)
        return first is not None and second is not None and first < second

    def end_before(
        self, end: Position, followed: File | None, came_after: Callable[[Trace], bool]
    ) -> Position | None:
        """Where the file before `followed` ends, or before that which ends at `end`.

        `came_after` tells of each file whether `followed` is known to have come after it: one that
        was made since, of lines that nobody has read yet, does not count.
        """
        snapshot = self.snapshot()
        if followed:
            index = snapshot.index.get(followed.identity, 0)
        else:
            index = max(self.copies(snapshot, end), default=0)
        for entry in reversed(snapshot.entries[:index]):
            try:
                file = self.open(entry)
                if file.size and not (followed and not came_after(self.trace_of(file, snapshot))):
                    return file.position(file.size)
            except CannotReadError:
                return None
        return None

    def copies(self, snapshot: Snapshot, end: Position) -> list[int]:
        """Which rotated files hold a generation that ends at `end`, and nothing else."""
        if end == START:
            return []
        found = []
        for number, entry in enumerate(snapshot.entries):
            if entry.is_log or not may_hold(entry, end):
                continue
            if not entry.is_packed and entry.seen.size != end.offset and not entry.is_recent:
                continue
            try:
                if self.open(entry).ends_at(end):
                    found.append(number)
            except CannotReadError:
                continue
        return found


def may_hold(entry: Entry, position: Position) -> bool:
    """Whether it begins as the file that `position` was taken from, and is not too short.

    A position within what is known of its beginning is there or is not: the file need not be
    opened for it.
    """
    length = min(position.offset, HEAD)
    is_finished = not (entry.is_packed or entry.is_log or entry.is_recent)
    if is_finished and entry.seen.size < position.offset:
        return False
    head = entry.facts.head
    if entry.is_log and len(head) < length:
        return True  # it has grown since, perhaps
    if len(head) < length or crc32(head[:length]) != position.head:
        return False
    if position.offset > HEAD:
        return True
    return Position.at(position.offset, lambda at, count: head[at : at + count]) == position


def pass_over(entry: Entry, error: CannotReadError) -> str:
    """Why a rotated file is passed over. Raises `error` for the log itself: that is waited for."""
    if entry.is_log:
        raise error
    return str(error)


def _copies(file: File, snapshot: Snapshot) -> Iterator[Identity]:
    """Which rotated files came while `file` was the log, and hold how that begins."""
    log = snapshot.log
    if log is None or log.identity != file.identity or log.seen.since is None:
        return
    for entry in snapshot.entries:
        since = entry.seen.since
        if entry.is_packed or since is None or since <= log.seen.since:
            continue
        with suppress(OSError, CannotReadError):
            copy = entry.open()
            end = copy.position(copy.size)
            if end and end != START and file.holds(end):
                yield entry.identity
