"""The files of a log: the one at its path, and those it was rotated to.

Rotated files stand beside the log and carry its name with a number or a date, as
logrotate(8), Python's logging.handlers and the kubelet name them: `app.log.1`,
`app.log-20261122`, `app.log.2026-11-22_10`, `app-20261122.log`. Compressed ones have
`.gz`, `.bz2`, `.xz` or `.zst` behind that.
"""

import bz2
import errno
import fcntl
import gzip
import importlib
import logging
import lzma
import os
import re
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from server.logs.position import HEAD, Position

Identity = tuple[int, int]
"""Device and inode of a file."""

Version = tuple[Identity, int, int]
"""A file as it is for as long as nobody writes to it: with its size and its time."""

_F_SETSIG = 10  # fcntl(2); Python has no name for it

# gone, something else in its place, or out of reach
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES)

_log = logging.getLogger(__name__)


class File:
    """A regular file, open for reading: it stays this one, whatever becomes of its name.

    It is closed when nobody holds it any more, so that no reader, in whatever thread,
    can find another file behind its descriptor.
    """

    def __init__(self, descriptor: int, path: Path, unpacked: Identity | None = None) -> None:
        self.path = path
        self._unpacked_from = unpacked
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self.identity: Identity = unpacked or (status.st_dev, status.st_ino)
        """Which file it is; of an unpacked one, that of the compressed file."""
        self.was_live = False
        """Whether it was once followed at the log's own path."""

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
        return os.pread(self._descriptor, length, offset)

    def read_cached(self, offset: int, length: int) -> bytes | None:
        """The same, perhaps fewer; None if the disk would have to be waited for, or may have to.

        See preadv2(2), RWF_NOWAIT.
        """
        if not hasattr(os, "RWF_NOWAIT"):
            return None
        buffer = bytearray(length)
        try:
            size = os.preadv(self._descriptor, [buffer], offset, os.RWF_NOWAIT)
        except OSError:  # EAGAIN; EOPNOTSUPP where a file system has no such thing
            return None
        return bytes(memoryview(buffer)[:size])

    @property
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def is_same(self, other: "File") -> bool:
        return self.identity == other.identity

    @property
    def age(self) -> float:
        """Seconds since it was last written to."""
        return time.time() - os.fstat(self._descriptor).st_mtime

    @property
    def is_deleted(self) -> bool:
        """Whether it has no name any more. What a compressed file holds never had one."""
        return os.fstat(self._descriptor).st_nlink == 0 and not self._unpacked_from

    def position(self, offset: int) -> Position | None:
        """The position at `offset`, None if the file is shorter."""
        return Position.at(offset, self.read)

    def holds(self, position: Position) -> bool:
        """Whether the file holds what stood before `position` when that was taken."""
        return self.position(position.offset) == position

    def ends_at(self, position: Position) -> bool:
        return self.size == position.offset and self.holds(position)

    def has_writer(self) -> bool | None:
        """Whether some process has it open for writing; None if that can't be found out.

        A read lease is granted only while nobody has (fcntl(2), "Leases"). It is
        given back at once; should a writer come in that moment, the signal is one
        that is ignored.
        """
        if self._unpacked_from:
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
        status = os.fstat(self._descriptor)
        return self.identity, status.st_size, status.st_mtime_ns

    def head(self) -> bytes:
        """The first HEAD bytes of what it holds; none of a damaged file."""
        try:
            with self._unpacked() as unpacked:
                return unpacked.read(HEAD)
        except Exception as error:
            _raise_unless_damaged(error)
            return b""

    def unpack(self, stopped: threading.Event) -> File:
        """Its content as a file of its own, which has no name. Of a damaged one, what is whole.

        Raises OSError, with errno EINTR when `stopped` is set.
        """
        with _temporary_file() as file:
            try:
                with self._unpacked() as unpacked:
                    while data := unpacked.read(1 << 16):
                        if stopped.is_set():
                            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                        file.write(data)
            except Exception as error:
                _raise_unless_damaged(error)
                _log.warning("%s cannot be read to its end: %s", self.path, error)
            file.flush()
            return File(os.dup(file.fileno()), self.path, self.identity)

    @contextmanager
    def _unpacked(self) -> Iterator[IO[bytes]]:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            with _UNPACKERS[self.path.suffix](file) as unpacked:
                yield unpacked


def _temporary_file() -> IO[bytes]:
    """Raises OSError, with errno ENOSPC also where there is no directory that has room for it."""
    try:
        return tempfile.TemporaryFile()
    except FileNotFoundError as error:
        raise OSError(errno.ENOSPC, str(error)) from error


def _raise_unless_damaged(error: Exception) -> None:
    """Let pass what an unpacker raises (each has kinds of its own) or that it is not installed.

    An error of the system has a number, and says nothing about the file's content.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def _open_zst(file: IO[bytes]) -> IO[bytes]:
    return importlib.import_module("zstandard").open(file)  # type: ignore[no-any-return]


_UNPACKERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zst,
}

# A number of at most three digits counts rotations; anything longer is a date or a time.
_MARK = re.compile(r"(?:[.-](?P<number>\d{1,3})|[.-](?P<date>\d[\d_.:T-]{3,}\d))")


def rotated(log: Path) -> list[Path]:
    """The rotated files of `log` that are there now, oldest first.

    Where a file stands both plain and compressed, the compression is not finished:
    the plain one counts. Where some names have dates and others numbers, the way of
    rotation was changed: those of the kind that was written to last are the younger.
    """
    dated: dict[str, Path] = {}
    numbered: dict[int, Path] = {}
    try:
        names = os.listdir(log.parent)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return []
        raise
    for name in sorted(names, key=len):
        plain, packing = (name, "")
        if Path(name).suffix in _UNPACKERS:
            plain, packing = Path(name).stem, Path(name).suffix
        mark = _mark(plain, log)
        path = log.parent / name
        if mark and mark["date"]:
            if not packing or mark["date"] not in dated:
                dated[mark["date"]] = path
        elif mark and (not packing or -int(mark["number"]) not in numbered):
            numbered[-int(mark["number"])] = path
    kinds = [[dated[date] for date in sorted(dated)], [numbered[age] for age in sorted(numbered)]]
    if all(kinds):
        kinds.sort(key=lambda paths: max(map(_written, paths)))
    return [path for paths in kinds for path in paths]


def _mark(name: str, log: Path) -> "re.Match[str] | None":
    """The number or the date in the name of a rotated file of `log`, None for any other file."""
    for before, after in ((log.name, ""), (log.stem, log.suffix)):
        if name.startswith(before) and name.endswith(after) and len(name) > len(before + after):
            match = _MARK.fullmatch(name[len(before) : len(name) - len(after) or None])
            if match:
                return match
    return None


def _written(path: Path) -> float:
    """When `path` was last written to; 0 if it is gone."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0


Listing = list[tuple[Path, Identity]]


def listing(log: Path) -> Listing:
    """All files of a log with their identities, oldest first; the log itself last, if there."""
    found = []
    for path in [*rotated(log), log]:
        try:
            status = os.lstat(path)
        except OSError as error:
            if error.errno in _NOT_THERE:
                continue
            raise
        if stat.S_ISREG(status.st_mode):
            found.append((path, (status.st_dev, status.st_ino)))
    return found


def open_all(log: Path) -> list[File]:
    """All files of a log that can be read, oldest first, opened while no rotation went on.

    Raises OSError, errno EAGAIN if rotations kept coming in between.
    """
    for _ in range(10):
        before = listing(log)
        files = []
        try:
            for path, identity in before:
                packed = path != log and path.suffix in _UNPACKERS
                try:
                    file = (PackedFile if packed else File).open(path)
                except PermissionError:
                    continue
                if file.identity != identity:
                    break
                files.append(file)
            else:
                if listing(log) == before:
                    return files
        except OSError as error:
            if error.errno not in (*_NOT_THERE, errno.EINVAL):
                raise
    raise OSError(errno.EAGAIN, "the log is being rotated again and again", str(log))
