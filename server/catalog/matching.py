"""The files that a glob matches, found by one listing for each directory."""

import os
from collections import deque
from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple

from server.catalog.directories import Directories, Listing
from server.catalog.globs import Glob, Part

MOST_DIRECTORIES = 5_000
"""Directories in which the files of one glob are looked for."""

MOST_ENTRIES = 100_000
"""Entries of these directories, together."""

MOST_MATCHES = 20_000
"""Files of one directory that are taken for one glob: the first ones by their names."""

_NO_LOGS = ("/proc", "/sys", "/dev")
"""Trees without files that grow, into which `**` does not lead."""


class Candidate(NamedTuple):
    """A file that may be a log: where it is, also without links, and its number (inode)."""

    path: str
    name: str
    real: str
    number: int
    is_link: bool = False


class Left(NamedTuple):
    """What is no log, and why."""

    path: str
    why: str


class Taken(NamedTuple):
    """What a glob matches in one directory."""

    listing: Listing
    candidates: tuple[Candidate, ...]
    left: tuple[Left, ...]


class Matches(NamedTuple):
    """What a glob matches, and the directories in which it was looked for.

    problem: why not all of it could be found, in words that follow the glob; empty if it could.
    """

    taken: dict[str, Taken]
    left: tuple[Left, ...]
    listings: tuple[Listing, ...]
    problem: str = ""

    @property
    def is_nothing(self) -> bool:
        return next(self.files(), None) is None

    def files(self) -> Iterator[Candidate]:
        """All that it matches."""
        return chain.from_iterable(taken.candidates for taken in self.taken.values())


def match(
    glob: Glob,
    directories: Directories,
    excluded: Collection[str] = (),
    before: Matches | None = None,
) -> Matches:
    """Look for the files of `glob`, not in the directories `excluded`, which are without links.

    What was found `before` is taken over where nothing has changed.
    """
    known = before.taken if before else {}
    taken: dict[str, Taken] = {}
    left: list[Left] = []
    listings: dict[str, Listing] = {}
    problem, entries = "", 0
    seen = {(str(glob.root), 0)}
    waiting = deque(seen)
    while waiting:
        path, number = waiting.popleft()
        if path not in listings:
            if len(listings) == MOST_DIRECTORIES or entries >= MOST_ENTRIES:
                problem = (
                    "leads into too many directories, the last ones are left out: "
                    "begin it deeper, or name fewer directories"
                )
                continue
            listings[path] = directories.get(path)
            entries += listings[path].size
        listing = listings[path]
        why = listing.why or _why_excluded(listing, excluded)
        if why and path == glob.root_text:
            problem = f"cannot be searched: {path} {why}"
        if why:
            left += [] if listing.is_missing else [Left(path, why)]
            continue
        if listing.is_cut:
            problem = (
                f"finds only some of the files in {path}, which holds too many: "
                "move old ones away, or name the logs that matter"
            )
        for step in _next(glob, number, listing):
            if step not in seen:
                seen.add(step)
                waiting.append(step)
        if number == len(glob.parts) - 1:
            last = known.get(path)
            is_same = last and last.listing is listing
            taken[path] = last if last and is_same else _take(glob.parts[-1], listing)
    return Matches(taken, tuple(left), tuple(listings.values()), problem)


def _why_excluded(listing: Listing, excluded: Collection[str]) -> str:
    inside = os.path.join(listing.real, "")
    if any(inside.startswith(os.path.join(one, "")) for one in excluded):
        return "is the server's own directory: leave it out"
    return ""


def _next(glob: Glob, number: int, listing: Listing) -> list[tuple[str, int]]:
    """The directories in which the search goes on, and with which part of the glob."""
    part = glob.parts[number]
    inside = os.path.join(listing.path, "")
    if part.is_deep:
        return [(listing.path, number + 1)] + [
            (inside + name, number)
            for name in listing.directories
            if not name.startswith(".") and inside + name not in _NO_LOGS
        ]
    if number == len(glob.parts) - 1:
        return []
    names = (*listing.directories, *listing.linked)
    return [(inside + name, number + 1) for name in names if part.matches(name)]


def _take(part: Part, listing: Listing) -> Taken:
    inside, really = os.path.join(listing.path, ""), os.path.join(listing.real, "")
    candidates = [
        Candidate(inside + name, name, really + name, number)
        for name, number in listing.files.items()
        if part.matches(name)
    ]
    candidates += [
        Candidate(inside + name, name, target, number, True)
        for name, (target, number) in listing.links.items()
        if part.matches(name)
    ]
    left = [
        Left(inside + name, "is not a regular file")
        for name in listing.others
        if part.matches(name)
    ]
    return Taken(listing, tuple(sorted(candidates)[:MOST_MATCHES]), tuple(left))
