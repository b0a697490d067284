"""Directories as they were listed last: one that has not changed since is not listed again.

All of it belongs in one thread.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.logs.layout import SETTLED

OUTDATED = 15.0
"""Seconds after which a directory is listed again though its time says that nothing has changed:
links may lead to something else, and a file system may not tell."""

MOST_ENTRIES = 50_000
"""Entries of one directory that are looked at."""


@dataclass(frozen=True)
class Listing:
    """What stands in a directory.

    files: the number of each (its inode).
    links: where links to files lead, and the number of that.
    directories: without links.
    linked: links to directories.
    others: FIFOs, devices and sockets.
    why: why it cannot be listed; empty if it can.
    is_cut: whether there is more than could be looked at.
    """

    path: str
    real: str = ""
    """Its path without links."""
    files: dict[str, int] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    why: str = ""
    is_missing: bool = False
    is_cut: bool = False

    @property
    def size(self) -> int:
        return len(self.files) + len(self.links) + len(self.directories) + len(self.others)


@dataclass(frozen=True)
class _Known:
    listing: Listing
    state: object
    at: float
    is_settled: bool
    """Whether the directory's time tells of every change since."""


class Directories:
    """Lists directories. Between two calls of `begin` each of them is looked at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looked: set[str] = set()
        self.scans = 0
        """How often a directory was listed."""

    def begin(self) -> None:
        """Begin another look. What the last one did not ask for is forgotten."""
        for path in [path for path in self._known if path not in self._looked]:
            del self._known[path]
        self._looked.clear()

    def get(self, path: str) -> Listing:
        """What stands in the directory at `path`: the same object for as long as that is the same.

        It says itself why it cannot be listed.
        """
        known = self._known.get(path)
        if path in self._looked and known:
            return known.listing
        self._looked.add(path)
        state, changed = _state(path)
        now = self._clock()
        is_known = known and known.state == state and known.is_settled
        if known and is_known and now - known.at < OUTDATED:
            return known.listing
        is_settled = abs(time.time() - changed) > SETTLED
        listing = self._list(path)
        if known and listing == known.listing:
            listing = known.listing
        self._known[path] = _Known(listing, state, now, is_settled)
        return listing

    def are_same(self, listings: Iterable[Listing]) -> bool:
        """Whether all of these are still true."""
        return all(self.get(listing.path) is listing for listing in listings)

    def _list(self, path: str) -> Listing:
        self.scans += 1
        try:
            return _list(path)
        except OSError as error:
            is_missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
            return Listing(path, why=_in_words(error), is_missing=is_missing)


def _list(path: str) -> Listing:
    files: dict[str, int] = {}
    links: dict[str, tuple[str, int]] = {}
    directories: list[str] = []
    linked: list[str] = []
    others: list[str] = []
    is_cut = False
    with os.scandir(path) as entries:
        for number, entry in enumerate(entries):
            if number == MOST_ENTRIES:
                is_cut = True
                break
            if entry.is_symlink():
                _follow(path, entry.name, links, linked, others)
            elif entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files[entry.name] = entry.inode()
            else:
                others.append(entry.name)
    return Listing(
        path,
        os.path.realpath(path),
        files,
        links,
        tuple(sorted(directories)),
        tuple(sorted(linked)),
        tuple(sorted(others)),
        is_cut=is_cut,
    )


def _follow(
    path: str,
    name: str,
    links: dict[str, tuple[str, int]],
    linked: list[str],
    others: list[str],
) -> None:
    """Find out where a link leads; one that leads nowhere, or to itself, is none."""
    try:
        status = os.stat(os.path.join(path, name))
    except OSError:
        return
    if stat.S_ISDIR(status.st_mode):
        linked.append(name)
    elif stat.S_ISREG(status.st_mode):
        links[name] = os.path.realpath(os.path.join(path, name)), status.st_ino
    else:
        others.append(name)


def _state(path: str) -> tuple[object, float]:
    """What changes whenever the directory does, also when it becomes readable; and when it did."""
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno, 0.0
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns), status.st_ctime


def _in_words(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "does not exist yet"
    if error.errno == errno.ENOTDIR:
        return "is not a directory"
    if error.errno == errno.EACCES:
        return "cannot be listed: give this user read permission"
    return f"cannot be listed: {error.strerror}"
