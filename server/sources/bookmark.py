"""How far a spool has got with the journal: a server that was killed loses and doubles nothing.

The bookmark says: the live file, which is this one, has up to this size all entries up to this
cursor. It is replaced as a whole after each batch that was written. Whoever is killed between the
two leaves a batch at the file's end which the bookmark does not know. The next server cuts
it off and reads its entries again; they make the same bytes at the same places, so that
the ids which clients have got stay true.
"""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MOST_UNKNOWN = 1024 * 1024
"""Bytes that are cut off at the most: more was not written by a single batch."""


class Mark(NamedTuple):
    """Which file, up to where, and the last entry there."""

    file: int
    size: int
    cursor: str


def size_to_keep(mark: Mark | None, file: int, size: int) -> int:
    """Up to where the live file is to be kept; `file` and `size` say what it is now.

    A file that is not the bookmark's was begun for a batch that the bookmark does not know.
    """
    known = mark.size if mark and mark.file == file else 0
    return known if 0 < size - known <= MOST_UNKNOWN else size


class Bookmark:
    """A bookmark in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(f"{path.name}.new")

    def read(self) -> Mark | None:
        """What was written last; None if there is nothing, or nothing of use."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._path.read_bytes())
            cursor = found["cursor"]
            if isinstance(cursor, str) and cursor:
                return Mark(int(found["file"]), int(found["size"]), cursor)
        return None

    def write(self, mark: Mark) -> None:
        """Replace it. Raises OSError, and then the old one is there."""
        file = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = json.dumps(mark._asdict()).encode()
            if os.write(file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)
        os.replace(self._new, self._path)
