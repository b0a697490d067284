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
    kept: when it was last written to before it was compressed, if a look has shown that.
    first, last: the times of its first and last line in seconds; None if they are not known.
        Of a compressed file only the first one is.
    has_writer: whether some process has it open for writing; None if that is not known.
    watched: its number among the files that were watched while they were the log, None if it was
        not.
    since: tells when it was seen first: that of one that was seen earlier is lower. None if that is
        not known.
    was_log: whether it stood at the log's own path at an earlier look.
    has_belonged: whether it was found at an earlier look to belong to the log.
    is_served: whether it is also served as a log of its own.
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
    was_log: bool = False
    has_belonged: bool = False
    is_served: bool = False
    is_empty: bool = False
    is_blank: bool = False
    kept: int | None = None

    @property
    def version(self) -> tuple[tuple[int, int], int, int]:
        """What changes when it is written to: see `files.Version`."""
        return self.identity, self.size, self.modified

    @property
    def written(self) -> int:
        """When it was last written to, in nanoseconds, as far as that is known: see `is_late`."""
        return self.modified if self.kept is None else self.kept

    @property
    def is_late(self) -> bool:
        """Whether it was perhaps written to much earlier: its time is that of its compression."""
        return self.is_packed and self.kept is None

    @property
    def is_proven(self) -> bool:
        """Whether it was the log for sure."""
        return self.is_watched or self.was_log

    @property
    def is_watched(self) -> bool:
        """Whether its place among others is known for sure."""
        return self.watched is not None

    @property
    def is_stranger(self) -> bool:
        """Whether it has a name that hardly any file but the log's has, and somebody writes to it.

        It is another program's file, or one of the log that was rotated before it was seen and
        whose writer was not told.
        """
        return bool(self.has_writer) and self.mark is not None and self.mark.is_strong

    @property
    def shape(self) -> str:
        """That of its name: see `Mark`; empty for the log itself."""
        return self.mark.shape if self.mark else ""

    @property
    def rank(self) -> tuple[float, tuple[int, ...]]:
        """What the names of one shape are ordered by."""
        assert self.mark
        return self.mark.rank

    @property
    def is_packed(self) -> bool:
        return self.mark is not None and bool(self.mark.packing)


Chain = list[Observed]
"""Files of one shape and one packing, oldest first."""
