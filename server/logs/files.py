"""The files of a log as they are read: opened once, plain or compressed."""

import errno
import fcntl
import logging
import os
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from server.logs.compression import Pieces, pieces
from server.logs.lines import lines_before
from server.logs.position import HEAD, Position, Read
from server.logs.trouble import CannotReadError, CannotUnpackError, reading

Identity = tuple[int, int]
"""Device and inode of a file."""

Version = tuple[Identity, int, int]
"""A file as it is for as long as nobody writes to it: with its size and its time."""

QUIET_WRITER = 10.0
"""Seconds without a write after which a rotated file is finished, though a process has it open."""

SETTLED = 3.0
"""Seconds after a change of a file in which another one may have the same time."""

MOST_SKIPPED = 4 * 1024 * 1024
"""NUL bytes at the start of a file behind which a line is looked for: a program that does not open
its log to append leaves a hole when the log is truncated."""

_HOLE_PIECE = 128 * 1024
"""Bytes that are read at a time behind them."""

_PIECE = 1024 * 1024
"""Bytes that are unpacked at a time."""

_PACKED_PIECE = 256 * 1024
"""Bytes of a compressed file that are taken at a time."""

_FIRST_PIECE = 8 * 1024
"""The same where only the beginning is wanted."""

_F_SETSIG = 10  # fcntl(2); Python has no name for it

_log = logging.getLogger(__name__)


class State(NamedTuple):
    """The size of a file, and when it and its inode were changed last, in nanoseconds."""

    size: int
    modified: int
    changed: int

    @property
    def is_settled(self) -> bool:
        """Whether a change since then would have been at another time, however coarse the clock."""
        return time.time() - self.changed / 1e9 > SETTLED


class File:
    """A regular file, open for reading: it stays this one, whatever becomes of its name.

    Whatever reads it raises CannotReadError where the system does not let it.

    It is closed when nobody holds it any more, so that no reader, in whatever thread,
    can find another file behind its descriptor. Until then, the system gives its number to no
    other file: what is `packed` stays open for that, too, for as long as its content is.
    """

    def __init__(self, descriptor: int, path: Path, packed: "PackedFile | None" = None) -> None:
        self.path = path
        self._packed = packed
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self.identity: Identity = packed.identity if packed else (status.st_dev, status.st_ino)
        """Which file it is; of an unpacked one, that of the compressed file."""
        self._live_at: float | None = None
        self.unseen = 0.0
        """Seconds before it was seen not to stand at the log's own path any more, in which nobody
        had looked."""
        self.damage = ""
        """Why it does not hold all that it should; empty if nothing is known to be missing."""

    @property
    def was_live(self) -> bool:
        """Whether it was once followed at the log's own path."""
        return self._live_at is not None

    def note(self, is_live: bool) -> None:
        """Note whether it is seen to stand at the log's own path now."""
        now = time.monotonic()
        if is_live:
            self._live_at, self.unseen = now, 0.0
        elif self._live_at is not None and not self.unseen:
            self.unseen = now - self._live_at

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises OSError; errno EINVAL if `path` is no regular file."""
        # O_NONBLOCK: to open a FIFO must not wait for a writer
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        file = cls(os.open(path, flags), path)
        if not stat.S_ISREG(os.fstat(file._descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at `offset`, fewer than `length` only at the end of the file."""
        with reading(self.path):
            return os.pread(self._descriptor, length, offset)

    def read_now(self, offset: int, length: int) -> bytes:
        """The same without waiting for the disk; for the event loop.

        Raises BlockingIOError if the bytes are not in memory, or where the system cannot tell:
        see preadv2(2), RWF_NOWAIT.
        """
        if not hasattr(os, "RWF_NOWAIT"):
            raise BlockingIOError(errno.EAGAIN, "not known to be in memory", str(self.path))
        buffer = bytearray(length)
        try:
            size = os.preadv(self._descriptor, [buffer], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            raise
        except OSError as error:  # EOPNOTSUPP where a file system has no such thing
            raise BlockingIOError(errno.EAGAIN, error.strerror, str(self.path)) from None
        if size < length and offset + size < self.size:
            raise BlockingIOError(errno.EAGAIN, "not all in memory", str(self.path))
        return bytes(memoryview(buffer)[:size])

    def _status(self) -> os.stat_result:
        try:
            return os.fstat(self._descriptor)
        except OSError:  # to enter a context each time would cost more than the call
            with reading(self.path):
                raise

    @property
    def size(self) -> int:
        return self._status().st_size

    @property
    def state(self) -> State:
        """Its size and times, of which a write changes at least one: see inode(7)."""
        status = self._status()
        return State(status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def age(self) -> float:
        """Seconds between now and when it was last written to.

        A file whose time lies ahead of the clock, which was set back, counts as old as that.
        """
        return abs(time.time() - self._status().st_mtime)

    @property
    def is_deleted(self) -> bool:
        """Whether it has no name any more, or the compressed file of which this is the content."""
        if self._packed:
            return self._packed.is_deleted
        try:
            return self._status().st_nlink == 0
        except CannotReadError:  # ESTALE: another machine has deleted it
            return True

    @property
    def last_name(self) -> str | None:
        """The name that a deleted file had last; None if the system does not tell (proc(5))."""
        if self._packed:
            return self._packed.last_name
        try:
            path = os.readlink(f"/proc/self/fd/{self._descriptor}")
        except OSError:
            return None
        return os.path.basename(path.removesuffix(" (deleted)"))

    def may_grow(self) -> bool:
        """Whether a process that has it open for writing has not given it up yet."""
        try:
            return self.age < QUIET_WRITER and self.has_writer() is not False
        except CannotReadError:
            return False

    def beginning(self) -> tuple[bytes, bytes]:
        """Its first HEAD bytes, and the first HEAD bytes behind the NUL bytes that it begins with.

        Of these no more than MOST_SKIPPED are skipped.
        """
        head = text = b""
        for piece in self._first_pieces():
            head += piece[: HEAD - len(head)]
            text += piece if text else piece.lstrip(b"\0")
            if len(text) >= HEAD:
                break
        return head, text[:HEAD]

    def _first_pieces(self) -> Iterator[bytes]:
        offset, length = 0, HEAD  # which is enough unless it begins with NUL bytes
        while offset < MOST_SKIPPED and (data := self.read(offset, length)):
            yield data
            offset, length = offset + len(data), _HOLE_PIECE

    def data_from(self, offset: int) -> int:
        """Where anything was written, at `offset` or behind it: the file's size if nothing was.

        It is `offset` where the system cannot tell: see lseek(2), SEEK_DATA.
        """
        if not hasattr(os, "SEEK_DATA"):
            return offset
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            return max(offset, self.size) if error.errno == errno.ENXIO else offset

    def position(self, offset: int, read: Read | None = None) -> Position | None:
        """The position at `offset`, None if the file is shorter.

        `read` reads the file, in the way of `File.read`, which is the default.
        """
        return Position.at(offset, read or self.read)

    def holds(self, position: Position, read: Read | None = None) -> bool:
        """Whether the file holds what stood before `position` when that was taken."""
        return self.position(position.offset, read) == position

    def ends_at(self, position: Position) -> bool:
        return self.size == position.offset and self.holds(position)

    def has_writer(self) -> bool | None:
        """Whether some process has it open for writing; None if that can't be found out.

        A read lease is granted only while nobody has (fcntl(2), "Leases"). It is
        given back at once; should a writer come in that moment, the signal is one
        that is ignored.
        """
        if self._packed:
            return False
        if not hasattr(fcntl, "F_SETLEASE"):
            return None
        try:
            fcntl.fcntl(self._descriptor, _F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return True if error.errno == errno.EAGAIN else None
        fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def __del__(self) -> None:
        os.close(self._descriptor)


class PackedFile(File):
    """A compressed file; `unpack` gives what it holds."""

    @property
    def version(self) -> Version:
        status = self._status()
        return self.identity, status.st_size, status.st_mtime_ns

    def _first_pieces(self) -> Iterator[bytes]:
        """See `File`; of a damaged file, what comes before the damage."""
        left = MOST_SKIPPED
        try:
            with self._unpacked(_FIRST_PIECE) as unpacked:
                while data := unpacked.read(min(left, _HOLE_PIECE)):
                    left -= len(data)
                    yield data
        except Exception as error:
            self._raise_unless_damaged(error)

    def unpack(self, stopped: threading.Event, most: int, room: Callable[[], int]) -> File:
        """Its content as a file of its own, which has no name.

        Of a damaged one these are the lines before the damage, and `File.damage` says what is
        wrong.

        `most` is how many bytes that may be; `room` says how many more there is room for. Raises
        CannotUnpackError where it is more or the system does not let it, and OSError, with errno
        EINTR when `stopped` is set.
        """
        damage = ""
        with reading(self.path, CannotUnpackError), tempfile.TemporaryFile() as file:
            try:
                if not self.size:
                    raise EOFError("it is empty")  # no program leaves that, but a full disk does
                with self._unpacked(_PACKED_PIECE) as unpacked:
                    while data := unpacked.read(_PIECE):
                        if stopped.is_set():
                            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                        if file.tell() + len(data) > most:
                            raise CannotUnpackError(self.path, f"it holds more than {most} bytes")
                        if room() < len(data):
                            raise CannotUnpackError(self.path, "there is no room to unpack it")
                        file.write(data)
                        file.flush()
            except Exception as error:
                self._raise_unless_damaged(error)
                damage = f"{self.path.name} is damaged: {str(error) or type(error).__name__}"
                _log.warning("%s (%s)", damage, self.path)
            file.flush()
            content = File(os.dup(file.fileno()), self.path, self)
            if damage:
                content.damage = damage
                file.truncate(lines_before(content.read, content.size, 0))
            return content

    @contextmanager
    def _unpacked(self, piece: int) -> Iterator[Pieces]:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            try:
                unpacked = pieces(file, self.path.suffix, piece)
            except ImportError as error:
                raise CannotUnpackError(self.path, str(error)) from error
            yield unpacked

    def _raise_unless_damaged(self, error: Exception) -> None:
        """Let pass what an unpacker raises of a damaged file: each has kinds of its own.

        An error of the system has a number, and says nothing about the file's content.
        """
        if isinstance(error, CannotReadError):
            raise error
        if isinstance(error, MemoryError):
            raise CannotUnpackError(self.path, "that takes too much memory") from error
        if isinstance(error, OSError) and error.errno is not None:
            with reading(self.path, CannotUnpackError):
                raise error
