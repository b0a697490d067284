"""A log's files at one moment, in their order, with what is known of each."""

import errno
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from server.logs.files import File, Identity, PackedFile
from server.logs.names import Mark
from server.logs.observed import Observed
from server.logs.trouble import reading

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EINVAL, errno.ENXIO)
"""Gone, something else in its place, or out of reach."""


class Facts(NamedTuple):
    """How a file begins, and the times of its first and last lines."""

    head: bytes
    """The first HEAD bytes, of what it holds if it is packed."""
    text: bytes
    """The same behind the NUL bytes that it begins with: files that begin with a hole are alike."""
    first: float | None
    last: float | None
    is_terminated: bool
    """Whether it ends with a newline; a packed one counts as such."""

    @property
    def beginning(self) -> bytes:
        """The bytes by which it is known: its text, or NUL bytes if it holds nothing else."""
        return self.text or self.head

    def goes_on(self, before: "Facts") -> bool:
        """Whether it begins as a file did that was seen before, as far as that went."""
        return (self.text if before.text else self.head).startswith(before.beginning)


UNKNOWN = Facts(b"", b"", None, None, True)
"""Of a file that cannot be read: whoever opens it gets to know why."""


def is_unknown(mark: Mark | None, facts: Facts) -> bool:
    """Whether a file may hold something, though nothing of that could be read."""
    return facts is UNKNOWN or (mark is not None and bool(mark.packing) and not facts.head)


class Entry(NamedTuple):
    """A file of the log, in its place among the others."""

    path: Path
    seen: Observed
    facts: Facts

    @property
    def identity(self) -> Identity:
        return self.seen.identity

    @property
    def is_log(self) -> bool:
        """Whether it stands at the log's own path."""
        return self.seen.mark is None

    @property
    def is_packed(self) -> bool:
        return self.seen.mark is not None and bool(self.seen.mark.packing)

    @property
    def is_recent(self) -> bool:
        """Whether it was written to so lately that it may not be finished."""
        return abs(time.time() - self.seen.modified / 1e9) < 10

    def open(self) -> File | PackedFile:
        """The file itself. Raises CannotReadError, and OSError, errno EAGAIN if it is not there
        any more.
        """
        with reading(self.path):
            try:
                file = (PackedFile if self.is_packed else File).open(self.path)
            except OSError as error:
                is_forbidden = error.errno == errno.EACCES and not self.is_log
                if error.errno in NOT_THERE and not is_forbidden:
                    gone = "it was renamed or removed"
                    raise OSError(errno.EAGAIN, gone, str(self.path)) from None
                raise
        if file.identity != self.identity:
            raise OSError(errno.EAGAIN, "another file has its name", str(self.path))
        return file


def first_filled(entries: Sequence[Entry]) -> Entry | None:
    """The first file that is the log or holds anything: others say nothing of what came when."""
    return next((entry for entry in entries if entry.is_log or entry.facts.text), None)


class Snapshot:
    """The files of a log at one moment, oldest first, the log itself last if it is there.

    latest: what `Observed.since` is, at the most, of a file that was there then beside the log.
    left_out: files that were being made then, such as copies of the log.
    strangers: files that only their names tell to be the log's, and that somebody writes to.
    has_others: whether files were left out that have such names as the log's have.
    lost: how files begin that were seen earlier and are gone, and `Observed.since` of each.
    """

    def __init__(
        self,
        entries: list[Entry],
        latest: int = 0,
        left_out: frozenset[Identity] = frozenset(),
        strangers: tuple[Observed, ...] = (),
        *,
        has_others: bool = False,
        lost: Mapping[bytes, int] | None = None,
    ) -> None:
        self.entries = entries
        self.latest = latest
        self.left_out = left_out
        self.strangers = strangers
        self.has_others = has_others
        self.lost = lost or {}
        self.index = {entry.identity: number for number, entry in enumerate(entries)}

        self.beginnings: dict[bytes, int] = {}
        for number, entry in enumerate(entries):
            if entry.facts.text:
                self.beginnings.setdefault(entry.facts.text, number)

    def index_of_number(self, identity: Identity, head: bytes) -> int | None:
        """Where the file with that number stood, if it began with `head` as far as both go.

        The system gives the number of a deleted file to the next one. A file that was empty is
        not known by its number alone.
        """
        index = self.index.get(identity)
        if index is None:
            return None
        known = self.entries[index].facts.head
        length = min(len(known), len(head))
        return index if length and known[:length] == head[:length] else None

    def place_of(self, entry: Entry) -> int | None:
        """Where a file stood that was seen later, perhaps after it was compressed.

        The system gives the number of a deleted file to the next one: only one that begins
        in the same way and is no shorter is the same. An empty one cannot be told from others.
        """
        place = self.index.get(entry.identity)
        if place is not None:
            known = self.entries[place]
            is_as_long = entry.seen.size >= known.seen.size
            begins_alike = known.facts.beginning and entry.facts.goes_on(known.facts)
            if begins_alike and is_as_long and entry.is_packed == known.is_packed:
                return place
        return self.beginnings.get(entry.facts.text) if entry.is_packed else None

    @property
    def log(self) -> Entry | None:
        """The file at the log's own path."""
        return self.entries[-1] if self.entries and self.entries[-1].is_log else None
