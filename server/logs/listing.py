"""The files of a log as they stand in its directory, in their order, with what is known of each.

What is known of a file (its first bytes, its first and last times) is remembered, so that a
look at the directory opens only files that have changed; and a look is remembered for as long
as the directory does not change. No file stays open.
"""

import errno
import os
import stat
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from server.logs.files import File, Identity, PackedFile, Version
from server.logs.lineage import as_seen, as_watched, in_order
from server.logs.names import Mark, mark_of
from server.logs.observed import Observed
from server.logs.sightings import Sight, Sightings, forget_oldest
from server.logs.times import first_time, last_time
from server.logs.trouble import CannotReadError, passes, reading

OUTDATED = 5.0
"""Seconds for which a look at the directory is good, at the most: files change without it."""

DOUBTFUL = 0.5
"""The same while files are left out beside a log that has no line with a time yet: the first such
line may tell that they belong to it."""

SETTLED = 0.05
"""Seconds after which a change of the directory is sure to have changed its time, too."""

_LAST = 4096  # bytes at the end of a file in which its last time is looked for

# gone, something else in its place, or out of reach
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EINVAL, errno.ENXIO)


class Facts(NamedTuple):
    """What a file holds, as far as it is looked at."""

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
        """What it is known by: its text, or NUL bytes if it holds nothing else."""
        return self.text or self.head

    def goes_on(self, before: "Facts") -> bool:
        """Whether it begins as a file did that was seen before, as far as that went."""
        return (self.text if before.text else self.head).startswith(before.beginning)


_UNKNOWN = Facts(b"", b"", None, None, True)
"""Of a file that cannot be read: whoever opens it gets to know why."""


def is_unknown(mark: Mark | None, facts: Facts) -> bool:
    """Whether a file may hold something, though nothing of that could be read."""
    return facts is _UNKNOWN or (mark is not None and bool(mark.packing) and not facts.head)


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
                if error.errno in _NOT_THERE and not is_forbidden:
                    gone = "it was renamed or removed"
                    raise OSError(errno.EAGAIN, gone, str(self.path)) from None
                raise
        if file.identity != self.identity:
            raise OSError(errno.EAGAIN, "another file has its name", str(self.path))
        return file


class Snapshot:
    """The files of a log at one moment, oldest first, the log itself last if it is there.

    latest: what `Observed.since` is, at the most, of a file that was there then beside the log.
    left_out: files that were being made then, such as copies of the log.
    """

    def __init__(
        self,
        entries: list[Entry],
        latest: int = 0,
        left_out: frozenset[Identity] = frozenset(),
    ) -> None:
        self.entries = entries
        self.latest = latest
        self.left_out = left_out
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


class Listing:
    """Looks at the directory of the log at `path`. All of it belongs in a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._facts: OrderedDict[Version, Facts] = OrderedDict()
        self._marks: OrderedDict[str, Mark | None] = OrderedDict()
        self._sightings = Sightings()
        self._lock = threading.Lock()
        self._snapshot = Snapshot([])
        self._valid: tuple[object, float] | None = None
        self._is_doubtful = False

    def target(self) -> Path:
        """The file that the log's path names now, symbolic links followed."""
        return Path(os.path.realpath(self.path))

    def watch(self, identity: Identity, text: bytes) -> None:
        """See `Sightings.watch`."""
        with self._lock:
            self._sightings.watch(identity, text)
            self._valid = None

    def forget(self) -> None:
        """Look again the next time, since what was seen is not true any more."""
        self._valid = None

    def look(self) -> Snapshot:
        """The files that are there now.

        Raises CannotReadError, and OSError, with errno EAGAIN while rotations come one after the
        other.
        """
        with self._lock, reading(self.path.parent):
            target = self.target()
            state, since = self._valid or (None, 0.0)
            good_for = DOUBTFUL if self._is_doubtful else OUTDATED
            if state == _state(target) and time.monotonic() - since < good_for:
                return self._snapshot
            self._valid = None
            for _ in range(10):
                before, now = _state(target), time.monotonic()
                names = self._names(target)
                if names == self._names(target) and before == _state(target):
                    self._snapshot = self._order(target, names)
                    if time.time() - _changed(target) > SETTLED:
                        self._valid = before, now
                    return self._snapshot
        raise OSError(errno.EAGAIN, "the log is being rotated again and again", str(self.path))

    def _names(self, target: Path) -> list[tuple[str, Identity, int, int, int]]:
        """Name, identity, size and times of each file that may belong to the log."""
        found = []
        try:
            names = os.listdir(target.parent)
        except PermissionError:
            names = [target.name]  # a directory that may be passed through, not listed
        except OSError as error:
            if error.errno in _NOT_THERE:
                return []
            raise
        for name in names:
            if name != target.name and self._mark(name, target.name) is None:
                continue
            try:
                status = os.lstat(target.parent / name)
            except OSError as error:
                if error.errno not in _NOT_THERE and (name == target.name or passes(error)):
                    raise
                continue
            if stat.S_ISREG(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                times = status.st_size, status.st_mtime_ns, status.st_ctime_ns
                found.append((name, identity, *times))
        return sorted(found)

    def _mark(self, name: str, log: str) -> Mark | None:
        key = f"{log}/{name}"
        if key not in self._marks:
            self._marks[key] = mark_of(name, log)
            forget_oldest(self._marks)
        return self._marks[key]

    def _order(self, target: Path, names: list[tuple[str, Identity, int, int, int]]) -> Snapshot:
        entries: dict[Identity, Entry] = {}
        for name, identity, size, modified, changed in names:
            mark = None if name == target.name else self._mark(name, target.name)
            path = target.parent / name
            try:
                facts, has_writer = self._look_into(path, mark, (identity, size, modified))
            except CannotReadError:
                facts, has_writer = _UNKNOWN, None
            except OSError as error:
                if passes(error):
                    raise
                is_gone = error.errno in _NOT_THERE and error.errno != errno.EACCES
                if mark is not None and (is_gone or not mark.is_strong):
                    continue
                facts, has_writer = _UNKNOWN, None  # still the log, or one of its files
            times = facts.first, facts.last
            seen = Observed(name, mark, identity, size, modified, changed, *times, has_writer)
            is_empty = not facts.head and not is_unknown(mark, facts)
            is_blank = not facts.text and not is_empty
            seen = replace(seen, is_empty=is_empty, is_blank=is_blank)
            if identity not in entries or mark is None:
                entries[identity] = Entry(path, seen, facts)
        watched, since = self._sightings.look(
            [
                Sight(
                    identity,
                    entry.facts.beginning,
                    entry.is_packed,
                    entry.is_log,
                    is_unknown(entry.seen.mark, entry.facts),
                )
                for identity, entry in entries.items()
            ]
        )
        observed = [
            replace(entry.seen, watched=watched.get(identity), since=since.get(identity))
            for identity, entry in entries.items()
        ]
        ordered = as_watched(as_seen(in_order(observed)))
        snapshot = Snapshot(
            [entries[seen.identity]._replace(seen=seen) for seen in ordered], self._sightings.latest
        )
        has_time = snapshot.log is not None and snapshot.log.facts.first is not None
        self._is_doubtful = len(ordered) < len(entries) and not has_time
        return snapshot

    def _look_into(
        self, path: Path, mark: Mark | None, version: Version
    ) -> tuple[Facts, bool | None]:
        """What the file holds, and whether a process writes to it where that matters.

        Other programs' logs have names that begin as this one's does without its extension.
        """
        is_packed = mark is not None and bool(mark.packing)
        is_doubtful = mark is not None and not is_packed and not mark.is_whole
        facts = self._facts.get(version)
        if facts and not is_doubtful:
            return facts, None
        file = (PackedFile if is_packed else File).open(path)
        if file.identity != version[0]:
            raise OSError(errno.EAGAIN, "another file has its name by now", str(path))
        if facts is None:
            facts = _facts_of(file)
            self._facts[version] = facts
            forget_oldest(self._facts)
        return facts, file.has_writer() if is_doubtful else None


def _facts_of(file: File) -> Facts:
    head, text = file.beginning()
    if isinstance(file, PackedFile):
        return Facts(head, text, first_time(text), None, True)
    last = file.read(max(0, file.size - _LAST), _LAST)
    is_terminated = not last or last.endswith(b"\n")
    return Facts(head, text, first_time(text), last_time(last), is_terminated)


def _state(target: Path) -> object:
    """What changes when files in the directory of `target` are made, renamed or removed."""
    try:
        status = os.stat(target.parent)
    except OSError as error:
        return target, error.errno
    return target, status.st_dev, status.st_ino, status.st_mtime_ns


def _changed(target: Path) -> float:
    """When that was, in seconds since the epoch; now if it cannot be told."""
    try:
        changed = os.stat(target.parent).st_mtime
    except OSError:
        return time.time()
    return changed if changed < time.time() else time.time()
