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
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from server.logs.files import File, Identity, PackedFile, Version
from server.logs.layout import SETTLED, Layout, layout_of
from server.logs.names import Mark
from server.logs.observed import Observed
from server.logs.sightings import Sight, Sightings, forget_oldest
from server.logs.snapshot import NOT_THERE, UNKNOWN, Entry, Facts, Snapshot, is_unknown
from server.logs.times import first_time, last_time
from server.logs.trouble import CannotReadError, passes, reading
from server.logs.watched import directions

OUTDATED = 5.0
"""Seconds for which a look at the directory is good, at the most: files change without it."""

DOUBTFUL = 0.5
"""The same while files are left out beside a log that has no line with a time yet: the first such
line may tell that they belong to it."""

_LAST = 4096  # bytes at the end of a file in which its last time is looked for


class Listing:
    """Looks at the directory of a log, whose files are laid out like that, or which is at that
    path. All of it belongs in a thread.
    """

    def __init__(self, where: Path | Layout) -> None:
        self.layout = layout_of(where)
        self.path = self.layout.path
        self._facts: OrderedDict[Version, Facts] = OrderedDict()
        self._marks: OrderedDict[str, Mark | None] = OrderedDict()
        self._sightings = Sightings()
        self._directions: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._snapshot = Snapshot([])
        self._valid: tuple[object, float] | None = None
        self._is_doubtful = False

    def target(self) -> Path:
        """The live file, symbolic links followed. Raises CannotReadError."""
        with reading(self.path.parent):
            return self.layout.target()

    def watch(self, identity: Identity, text: bytes) -> None:
        """See `Sightings.watch`."""
        with self._lock:
            self._sightings.watch(identity, text)
            self._valid = None

    def forget(self, version: Version | None = None) -> None:
        """Look again the next time, since what was seen is not true any more: of one file, perhaps,
        that has been that `version` all the time.
        """
        with self._lock:
            self._valid = None
            self._facts.pop(version, None) if version else None

    def look(self) -> Snapshot:
        """The files that are there now.

        Raises CannotReadError, and OSError, with errno EAGAIN while rotations come one after the
        other.
        """
        with self._lock, reading(self.path.parent):
            state, since = self._valid or (None, 0.0)
            good_for = DOUBTFUL if self._is_doubtful else OUTDATED
            if state == _state(self.target()) and time.monotonic() - since < good_for:
                return self._snapshot
            self._valid = None
            for _ in range(10):
                target, now = self.target(), time.monotonic()
                before, names = _state(target), self._names(target)
                if names != self._names(target) or before != _state(self.target()):
                    continue
                with suppress(FileNotFoundError):  # one is gone, perhaps to come by another name
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
            if error.errno in NOT_THERE:
                return []
            raise
        for name in names:
            if name != target.name and self._mark(name, target.name) is None:
                continue
            try:
                status = os.lstat(target.parent / name)
            except OSError as error:
                if error.errno not in NOT_THERE and (name == target.name or passes(error)):
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
            self._marks[key] = self.layout.mark_of(name, log)
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
                facts, has_writer = UNKNOWN, None
            except OSError as error:
                if passes(error):
                    raise
                if error.errno == errno.ENOENT:
                    raise
                is_replaced = error.errno in NOT_THERE and error.errno != errno.EACCES
                if mark is not None and (is_replaced or not mark.is_strong):
                    continue
                facts, has_writer = UNKNOWN, None  # still the log, or one of its files
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
                    entry.seen.size,
                    entry.facts.beginning,
                    entry.is_packed,
                    entry.is_log,
                    is_unknown(entry.seen.mark, entry.facts),
                    entry.seen.modified,
                )
                for identity, entry in entries.items()
            ]
        )
        observed = [
            replace(
                entry.seen,
                watched=watched.get(identity),
                since=since.get(identity),
                was_log=self._sightings.was_log(identity),
                has_belonged=self._sightings.has_belonged(identity),
                kept=self._sightings.kept(identity),
            )
            for identity, entry in entries.items()
        ]
        self._directions |= directions(observed)
        ordered = self.layout.in_order(observed, self._directions)
        belonging = {seen.identity for seen in ordered}
        self._sightings.belong(belonging)
        snapshot = Snapshot(
            [entries[seen.identity]._replace(seen=seen) for seen in ordered],
            self._sightings.latest,
            strangers=tuple(
                seen for seen in observed if seen.identity not in belonging and seen.is_stranger
            ),
            has_others=len(ordered) < len(entries),
            lost=self._sightings.lost,
        )
        has_time = snapshot.log is not None and snapshot.log.facts.first is not None
        self._is_doubtful = snapshot.has_others and not has_time
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
    start = max(0, file.size - _LAST)
    last = file.read(start, _LAST)
    is_terminated = not last or last.endswith(b"\n")
    last = last.partition(b"\n")[2] if start else last  # it begins within a line, perhaps a time
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
