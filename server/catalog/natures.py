"""Whether a file holds text, as far as its beginning tells."""

import errno
import os
import stat
from dataclasses import dataclass

from server.logs.names import PACKINGS

FIRST_BLOCK = 4096
"""Bytes that are looked at."""

_MOST_SKIPPED = 1024 * 1024
"""NUL bytes at the start of a file behind which text is looked for: a log that was truncated under
a program that does not append begins with a hole."""

_SIGNATURES = (
    (b"\x7fELF", "is a program"),
    (b"\x1f\x8b", "is compressed by gzip"),
    (b"\xfd7zXZ\0", "is compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd"),
    (b"BZh", "is compressed by bzip2"),
    (b"\x04\x22\x4d\x18", "is compressed by lz4"),
    (b"PK\x03\x04", "is a zip file"),
    (b"SQLite format 3\0", "is a database of SQLite"),
    (b"LPKSHHRH", "is a journal of systemd: follow its units instead"),
    (b"%PDF-", "is a PDF"),
)

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Nature:
    """Why a file is no log, empty if it may be one; and whether that lasts until it changes."""

    why: str = ""
    lasts: bool = True


TEXT = Nature()

EMPTY = Nature()
"""Of a file that holds nothing yet: it counts as a log, and may turn out to be none."""


def nature_by_name(name: str) -> Nature | None:
    """What the name alone tells of a file in a directory, None if it has to be opened."""
    if name.endswith("~"):
        return Nature("is an editor's copy")
    if name.endswith(PACKINGS):
        return Nature("is compressed: give the log that it was rotated from")
    return None


def nature_by_content(start: bytes) -> Nature:
    """What a file's first block tells, behind the NUL bytes that it may begin with."""
    for signature, why in _SIGNATURES:
        if start.startswith(signature):
            return Nature(why)
    if b"\0" in start and not start.startswith(_UTF_16):
        return Nature("is not text: it has NUL bytes")
    return TEXT


def nature_of(path: str) -> Nature:
    """What the file at `path` tells; it belongs in a thread."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EACCES:
            return Nature("cannot be read: give this user read permission", lasts=False)
        return Nature(f"cannot be read: {error.strerror}", lasts=False)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Nature("is not a regular file")
        return _nature_of(descriptor)
    except OSError as error:
        return Nature(f"cannot be read: {error.strerror}", lasts=False)
    finally:
        os.close(descriptor)


def _nature_of(descriptor: int) -> Nature:
    start = os.pread(descriptor, FIRST_BLOCK, 0)
    if not start:
        return EMPTY
    offset, length = 0, FIRST_BLOCK
    while not start.strip(b"\0") and offset < _MOST_SKIPPED:
        offset, length = offset + len(start), 128 * 1024
        start = os.pread(descriptor, length, offset)
        if not start:
            return Nature("holds nothing but NUL bytes so far")
    return nature_by_content(start.lstrip(b"\0"))
