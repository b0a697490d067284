"""A file beside a log as a look at it has shown it: what its order is told from."""

from dataclasses import dataclass

from server.logs.names import Mark

SLACK = 2.0
"""Seconds by which clocks and rounded times may differ."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A file beside a log, or the log itself, as a look at it has shown it.

    mark: what its name says; None for the file at the log's own path.
    identity: device and inode.
    modified, changed: when it was last written to, and when it was last written to or renamed
        (mtime and ctime in stat(2)), in nanoseconds.
    first, last: the times of its first and last line in seconds; None if they are not known.
        Of a compressed file only the first one is.
    has_writer: whether some process has it open for writing; None if that is not known.
    watched: its number among the files that were watched while they were the log, None if it was
        not.
    since: tells when it was seen first: that of one that was seen earlier is lower. None if that is
        not known.
    is_empty: whether it holds nothing.
    is_blank: whether it holds no text, or none that can be read. Neither proves anything about the
        others.
    """

    name: str
    mark: Mark | None
    identity: tuple[int, int]
    size: int
    modified: int
    changed: int
    first: float | None = None
    last: float | None = None
    has_writer: bool | None = None
    watched: int | None = None
    since: int | None = None
    is_empty: bool = False
    is_blank: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether it was the log for sure."""
        return self.watched is not None

    @property
    def is_packed(self) -> bool:
        return self.mark is not None and bool(self.mark.packing)


Chain = list[Observed]
"""Files of one shape and one packing, oldest first."""
