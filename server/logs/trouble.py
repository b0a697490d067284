"""What errors of the system mean to those who read a log: one table for all of them.

Some pass: names are just changing, or the machine is short of something. Whoever gets such an error
tries again. Any other one says that this file cannot be read, now or for ever.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY = 0.1
"""Seconds until something is tried again while rotations come one after the other."""

SHORT = 1.0
"""Seconds until it is tried again while the machine is short of something, or a file that is
waited for cannot be read."""

PASSING = {
    errno.EAGAIN: BUSY,
    errno.EMFILE: SHORT,
    errno.ENFILE: SHORT,
    errno.ENOMEM: SHORT,
}
"""Errors after which the same is tried again, and after how many seconds."""


class CannotReadError(Exception):
    """Says why a file cannot be read."""

    def __init__(self, path: Path, why: str, done: str = "read") -> None:
        super().__init__(f"{path.name} cannot be {done}: {why}")
        self.why = why


class CannotUnpackError(CannotReadError):
    """Says why what a compressed file holds cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why, "unpacked")


def passes(error: OSError) -> bool:
    """Whether it says nothing about the file: it is in the table, or the server is ending."""
    return error.errno in PASSING or error.errno == errno.EINTR


@contextmanager
def reading(path: Path, kind: type[CannotReadError] = CannotReadError) -> Iterator[None]:
    """Raise a `kind` of CannotReadError for an error of the system that does not pass."""
    try:
        yield
    except OSError as error:
        if passes(error):
            raise
        raise kind(path, error.strerror or str(error)) from error
