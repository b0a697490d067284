"""The files of a log, found by what they hold, whatever their names are by now.

All of this reads files, and so belongs in a thread. Every method may raise OSError, with
errno EAGAIN while rotations come one after the other.
"""

import os
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from server.logs.files import File, PackedFile, open_all
from server.logs.position import HEAD, START, Position
from server.logs.unpacking import Unpacker

COPY_LAG = 1024 * 1024
"""Bytes that a log may grow between logrotate's copy of it and its truncation."""

SHARED = 64 * 1024
"""Bytes at the start of its files that a log's generations may have in common."""

QUIET_WRITER = 10.0
"""Seconds without a write after which a rotated file is finished, though a process has it open."""

_READ_SIZE = 128 * 1024


class Step(NamedTuple):
    """From one generation to the next."""

    file: File
    start: Position
    older: set[Position]  # where the files before it end


class Past(NamedTuple):
    """What is known of a generation and of those before it, when its file has no name."""

    older: set[Position]  # where the files before it end
    head: bytes  # its first HEAD bytes

    def is_older(self, file: File) -> bool:
        """Whether `file` came before the generation."""
        return file.position(file.size) in self.older

    def is_copy(self, file: File, end: Position) -> bool:
        """Whether `file` is a copy made before the generation had grown to its `end`."""
        return (
            file.size < end.offset <= file.size + COPY_LAG
            and file.read(0, HEAD) == self.head[: file.size]
            and not self.is_older(file)
        )


class Archive:
    """The files of the log at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unpacker = Unpacker()

    def drop_idle(self, seconds: float) -> None:
        """Close unpacked files that nobody has asked for in `seconds`."""
        self._unpacker.drop_idle(seconds)

    def stop(self) -> None:
        """Give up what is being unpacked: whoever waits for it gets OSError."""
        self._unpacker.stop()

    def target(self) -> Path:
        """The file that the log's path names now, symbolic links followed."""
        return Path(os.path.realpath(self.path))

    def files(self) -> list[File]:
        """All files that are there now, oldest first, but for a copy that is not finished."""
        files = open_all(self.target())
        live = files[-1] if files and files[-1].path == self.target() else None
        return [file for file in files if file is live or not live or not _is_piece(file, live)]

    def oldest(self, followed: File | None) -> File | None:
        """The oldest file that holds anything, None if that is `followed` or the log itself."""
        for file in self.files():
            if file.path == self.target() or (followed and file.is_same(followed)):
                return None
            plain = self._plain(file)
            if plain.size:
                return plain
        return None

    def is_older(self, file: File, other: File) -> bool:
        """Whether both have names, and that of `file` says that it came first."""
        identities = [one.identity for one in self.files()]
        return (
            file.identity in identities
            and other.identity in identities
            and identities.index(file.identity) < identities.index(other.identity)
        )

    def end_before(self, end: Position, followed: File | None) -> Position | None:
        """Where the file before `followed` ends, or before that which ends at `end`."""
        files = self.files()
        if followed:
            same = [index for index, file in enumerate(files) if file.is_same(followed)]
        else:
            same = [index for index, file in enumerate(files) if self._holds_all(file, end)]
        for file in reversed(files[: same[-1] if same else 0]):
            plain = self._plain(file)
            if plain.size:
                return plain.position(plain.size)
        return None

    def search(self, position: Position, but: File | None = None) -> File | None:
        """The file that holds `position` and is not `but`.

        Where several do, as just after a header that all of them share, it is the oldest:
        to begin too early sends lines twice, to begin too late loses some.
        """
        # Youngest first: what is truncated by now was copied before, so the copy is seen.
        found = None
        for file in reversed(self.files()):
            if but and but.is_same(file):
                continue
            if isinstance(file, PackedFile) and not self._unpacker.may_hold(file, position):
                continue
            plain = self._plain(file)
            if plain.holds(position):
                found = plain
                if position.offset > SHARED:
                    break
        return found

    def search_copy(self, position: Position) -> File | None:
        """The youngest rotated file that is a copy made shortly before `position` was written.

        logrotate's copytruncate copies, and the log grows before it is truncated.
        """
        for file in reversed(self.files()):
            if file.path == self.target():
                continue
            if isinstance(file, PackedFile) and not self._unpacker.may_hold(file, position):
                continue
            plain = self._plain(file)
            length = min(position.offset, HEAD)
            if (
                length <= plain.size < position.offset <= plain.size + COPY_LAG
                and crc32(plain.read(0, length)) == position.head
            ):
                return plain
        return None

    def next(self, file: File | None, end: Position, past: Past | None) -> Step | None:
        """The file that follows the generation that ends at `end`, None if there is none yet.

        `file` holds that generation, if it is at hand. Where it has no name any more,
        `past` tells which files came before.
        """
        files = self.files()
        named = [index for index, other in enumerate(files) if file and file.is_same(other)]
        same = named or [
            index
            for index, other in enumerate(files)
            if other.path != self.target() and self._holds_all(other, end)
        ]
        for index in range(same[-1] + 1 if same else 0, len(files)):
            live = files[index].path == self.target()
            if not live and past and past.is_older(files[index]):
                continue
            following = self._plain(files[index])
            if not live and not following.size and not may_grow(following):
                continue
            unknown = past if not live and not same else None
            if unknown and (unknown.is_older(following) or unknown.is_copy(following, end)):
                continue
            # A file that holds all of the one before is a copy of the log whose original
            # goes on, or a log that an editor wrote anew; unless that one still has a
            # name of its own, given to it by a rotation.
            renamed = same and file and file.was_live
            goes_on = end != START and not renamed and following.holds(end)
            return Step(following, end if goes_on else START, ends(files[:index]))
        return None

    def _holds_all(self, file: File, end: Position) -> bool:
        """Whether `file` holds a generation that ends at `end`, and nothing else."""
        if end == START:
            return False
        if isinstance(file, PackedFile):
            return self._unpacker.may_hold(file, end) and self._plain(file).ends_at(end)
        return file.ends_at(end)

    def _plain(self, file: File) -> File:
        return self._unpacker.unpack(file) if isinstance(file, PackedFile) else file


def may_grow(file: File) -> bool:
    """Whether a process that has `file` open for writing has not given it up yet."""
    return file.age < QUIET_WRITER and file.has_writer() is not False


def _is_piece(file: File, live: File) -> bool:
    """Whether a rotated file is a copy of the log that is still being made, or cut in a line."""
    if isinstance(file, PackedFile) or not file.size:
        return False
    if file.read(file.size - 1, 1) == b"\n" and not file.has_writer():
        return False
    end = file.position(file.size)
    return end is not None and live.holds(end)


def ends(files: list[File]) -> set[Position]:
    """Where each of `files` ends, as it stands on disk."""
    return {end for file in files if file.size and (end := file.position(file.size))}


def last_line_end(file: File) -> Position:
    """Where the last whole line of `file` ends."""
    return file.position(lines_before(file, file.size, 0)) or START


def lines_before(file: File, end: int, lines: int) -> int:
    """Where the last `lines` lines before `end` begin; for 0, where the last whole one ends."""
    start = end
    wanted = lines + 1
    while start > 0:
        length = min(_READ_SIZE, start)
        data = file.read(start - length, length)
        start -= length
        found = data.count(b"\n")
        if found < wanted:
            wanted -= found
            continue
        cut = len(data)
        for _ in range(wanted):
            cut = data.rindex(b"\n", 0, cut)
        return start + cut + 1
    return 0
