"""A spool: the files that a source appends to, which never take more than so many bytes.

Its live file, and three that were rotated, lie in a directory of the source's own. It is written
in whole lines. A server that was killed has left what it had written: the next one goes on in the
same file, once an unfinished last line is ended or cut off. Nothing is told to the disk (`fsync`),
for what a process has written is the system's, even if the process is killed.
"""

import errno
import fcntl
import os
import unicodedata
from collections import deque
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_state_dir

from server.errors import StartError
from server.sources.spool_files import FILES, SpoolFiles
from server.sources.whole_lines import LONGEST

SIZE = 64 * 1024 * 1024
"""Bytes of all of them together."""

LEAST_SIZE = FILES * 2 * LONGEST
"""A line, however long, fits into a file."""

HELD = 16 * 1024 * 1024
"""Bytes that are held in memory while they cannot be written."""

LONGEST_NAME = 200
"""Bytes of a name: those of its files are a little longer, and a file system allows 255."""


def state_directory() -> Path:
    """Where spools lie if nothing else is said."""
    return Path(user_state_dir("riacho"))


def check_name(name: str, what: str) -> str:
    """The name of a source, which is also that of its directory. `what` is how it was given.

    Raises StartError for a name that cannot be one.
    """
    if not name:
        why = "it is empty"
    elif "/" in name:
        why = "it has a slash"
    elif name in (".", ".."):
        why = "it is that of a directory"
    elif any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name):
        why = "it has control characters, or bytes that are no text"
    elif len(name.encode()) > LONGEST_NAME:
        why = f"it has more than {LONGEST_NAME} bytes"
    else:
        return name
    raise StartError(f"{what} has a name that no log can have ({why}): choose another one")


class Spool:
    """The spool of the source `name` in the directory `state`, of at most `size` bytes.

    All but the constructor is called from one thread. `lost` is called with how many lines and
    bytes were dropped, and why, as soon as something can be written again.

    With `cut`, an unfinished last line is cut off, for a source that can say it again; else
    it is ended, and what comes next is a line of its own.

    Raises StartError if it cannot be written, or another process has it.
    """

    def __init__(
        self,
        name: str,
        state: Path,
        size: int = SIZE,
        lost: Callable[[int, int, str], None] = lambda lines, count, why: None,
        *,
        cut: bool = False,
    ) -> None:
        self.directory = state / name
        self.path = self.directory / f"{name}.log"
        self.problem = ""
        self.lost = lost
        self.files = SpoolFiles(self.path, max(size, LEAST_SIZE) // FILES)
        self._cut = cut
        self._lock: int | None = None
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = [0, 0]
        self.open()

    def open(self) -> None:
        """Take the lock, and go on where the file ends, unless that is done. Raises StartError."""
        if self._lock is not None:
            return
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            self._lock = os.open(self.directory / "lock", flags, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole, size = self.files.whole()
            if whole < size and self._cut:
                self.files.cut_to(whole)
            elif whole < size:
                self.write(b"\n")
        except (OSError, ValueError) as error:
            self._release()
            raise self._start_error(error) from None

    def write(self, lines: bytes) -> None:
        """Append whole lines.

        What cannot be written is held, and goes first at the next try. What does not fit into
        the memory for that is dropped. An error is a `problem`.
        """
        if not lines:
            return
        if self._waiting and self._size + len(lines) > HELD:
            self._lost[0] += lines.count(b"\n")
            self._lost[1] += len(lines)
        else:
            self._waiting.append(lines)
            self._size += len(lines)
        self.settle()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is held."""
        return not self._waiting

    def settle(self) -> bool:
        """Try to write what is held; say whether nothing is held any more."""
        try:
            while self._waiting:
                data = self._waiting[0]
                written = self.files.append(data)
                self._size -= written
                if written < len(data):
                    self._waiting[0] = data[written:]
                else:
                    self._waiting.popleft()
        except OSError as error:
            why = error.strerror or str(error)
            self.problem = (
                f"cannot be written to {self.directory} ({why}): it is tried again, "
                f"and {HELD // 1024**2} MiB are held meanwhile"
            )
            return False
        self._say_lost()
        self.problem = ""
        return True

    def close(self) -> None:
        """Try once more to write what is held, and let go of the files and of the lock."""
        if not self.settle():
            if not self._cut:
                self._lost[0] += sum(data.count(b"\n") for data in self._waiting)
                self._lost[1] += self._size
            self._waiting.clear()
            self._say_lost()
        self._size = 0
        self._release()

    def _say_lost(self) -> None:
        lines, count = self._lost
        self._lost = [0, 0]
        if count:
            self.lost(lines, count, self.problem)

    def _release(self) -> None:
        self.files.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _start_error(self, error: OSError | ValueError) -> StartError:
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.EWOULDBLOCK, errno.EAGAIN):
            return StartError(
                f"another server writes to {self.directory}: "
                "stop it, or choose another directory with --state-dir"
            )
        why = error.strerror if isinstance(error, OSError) else str(error)
        return StartError(
            f"{self.directory} cannot be written ({why}): "
            "choose a directory that this user may write to with --state-dir"
        )
