"""How a log's files are laid out: which one is the live one, and what the others' names say.

A program either writes to a file that keeps its name, and is renamed when it is rotated, or
begins a file with a name of its own for each day.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from server.logs.dates import DatePattern
from server.logs.lineage import in_order
from server.logs.names import Mark, mark_of
from server.logs.observed import Observed
from server.logs.watched import as_seen, as_watched

SETTLED = 0.05
"""Seconds after which a change of a directory is sure to have changed its time, too."""


class Layout(Protocol):
    """Where the files of one log are, and in which order they come."""

    path: Path
    """What the log is called in words for people: in the directory of its files."""

    may_copy: bool
    """Whether one of the files may be a copy of another."""

    def location(self) -> Path:
        """Where the live file is, links not followed; of nothing if there is none. It never waits
        long, and so may be as old as SETTLED.
        """
        ...

    def target(self) -> Path:
        """Where the live file is now, links followed; of nothing if there is none. Raises OSError
        where that cannot be found out.
        """
        ...

    def mark_of(self, name: str, live: str) -> Mark | None:
        """What the name of another file says if it may belong to the log whose live file is called
        `live`, else None.
        """
        ...

    def has_been_live(self, name: str | None) -> bool:
        """Whether the live file has, or had, such a name."""
        ...

    def in_order(
        self, observed: Sequence[Observed], directions: Mapping[str, bool]
    ) -> list[Observed]:
        """The files that belong to the log, oldest first, the live one last.

        directions: see `lineage.in_order`.
        """
        ...


class FixedLayout:
    """A file that keeps its name, or a link to one; beside it, what was rotated.

    `served` tells the paths of all files that are logs of their own now, links followed.
    """

    may_copy = True

    def __init__(self, path: Path, served: Callable[[], Collection[str]] = tuple) -> None:
        self.path = path
        self._served = served

    def location(self) -> Path:
        return self.path

    def target(self) -> Path:
        return Path(os.path.realpath(self.path))

    def mark_of(self, name: str, live: str) -> Mark | None:
        return mark_of(name, live)

    def has_been_live(self, name: str | None) -> bool:
        return name == self.target().name

    def in_order(
        self, observed: Sequence[Observed], directions: Mapping[str, bool]
    ) -> list[Observed]:
        served = self._served()
        directory = self.target().parent if served else self.path.parent
        known = [replace(one, is_served=str(directory / one.name) in served) for one in observed]
        return as_watched(as_seen(in_order(known, directions)))


class _Look(NamedTuple):
    state: tuple[int, int, int]
    name: str
    at: float
    is_settled: bool
    """Whether the directory's time tells of every change since."""


class DatedLayout:
    """Files that are named for their dates by the pattern that the last part of `path` is.

    The newest date's file is the live one, and each date's file is followed by that of the next
    date, whatever the times in and of the files are. Raises StartError if it is no such pattern.
    """

    may_copy = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pattern = DatePattern.parse(path.name)
        self._seen: _Look | None = None

    def location(self) -> Path:
        seen = self._seen
        if seen and time.monotonic() - seen.at < SETTLED:
            return self.path.parent / seen.name
        try:
            return self.path.parent / self._newest(self.path.parent)
        except OSError:
            return self.path

    def target(self) -> Path:
        directory = Path(os.path.realpath(self.path.parent))
        try:
            return directory / self._newest(directory)
        except (FileNotFoundError, NotADirectoryError):
            return directory / self.path.name

    def _newest(self, directory: Path) -> str:
        """The name of the live file; the pattern, which names none, if there is no such file."""
        status = os.stat(directory)
        state = status.st_dev, status.st_ino, status.st_mtime_ns
        seen = self._seen
        if seen and seen.state == state and seen.is_settled:
            return seen.name
        at, is_settled = time.monotonic(), time.time() - status.st_mtime > SETTLED
        with os.scandir(directory) as entries:
            names = [
                entry.name
                for entry in entries
                if self.pattern.mark_of(entry.name) and entry.is_file(follow_symlinks=False)
            ]
        name = self.pattern.newest(names) or self.path.name
        self._seen = _Look(state, name, at, is_settled)
        return name

    def mark_of(self, name: str, live: str) -> Mark | None:
        return self.pattern.mark_of(name)

    def has_been_live(self, name: str | None) -> bool:
        return name is not None and self.pattern.date_of(name) is not None

    def in_order(
        self, observed: Sequence[Observed], directions: Mapping[str, bool]
    ) -> list[Observed]:
        return sorted(observed, key=_by_date)


def _by_date(file: Observed) -> tuple[bool, float, bool]:
    """Of one date, what was compressed came before what the program began anew."""
    if file.mark is None:
        return True, 0.0, True
    return False, file.mark.date or 0.0, not file.mark.packing


def layout_of(where: Path | Layout) -> Layout:
    """A path is that of a file which keeps its name."""
    return FixedLayout(where) if isinstance(where, Path) else where
