"""Which of the files that were found are logs of their own: pure functions."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from server.catalog.matching import Candidate, Left
from server.catalog.natures import nature_by_name
from server.catalog.siblings import Relation

Number = tuple[str, int]
"""A file in a directory, whatever its name is: the directory and the number (inode)."""


class Siblings(NamedTuple):
    """The names of rotated files, and those of the files that were seen to be renamed."""

    names: set[str]
    seen: set[Number]


def siblings_in(
    directory: str,
    files: Mapping[str, Candidate],
    relations: Mapping[str, Relation],
    numbers: Mapping[str, int],
    rotated: Collection[Number],
) -> Siblings:
    """Which files of a directory were rotated from others, as their names tell by `relations`.

    A name that may be another log's is believed only if it was seen that the file had the log's
    own name before: `numbers` are those that logs had then, `rotated` what was seen earlier.
    """
    siblings: set[str] = set()
    seen: set[Number] = set()
    for name, relation in relations.items():
        file = directory, files[name].number
        log = f"{directory.rstrip('/')}/{relation.log}"
        is_seen = file in rotated or numbers.get(log) == files[name].number
        if is_seen:
            seen.add(file)
        if is_seen or relation.is_strong:
            siblings.add(name)
    return Siblings(siblings, seen)


def without_others(
    candidates: Sequence[Candidate], given: Mapping[str, str]
) -> tuple[list[Candidate], list[Left]]:
    """The candidates that may be logs by their names, each file once, and what is left out.

    `given` are the files that the user has named, also without links, and how they are shown. Of a
    file and the links to it the file itself is taken, else the first link.
    """
    owners = dict(given)
    taken: list[Candidate] = []
    left: list[Left] = []
    for candidate in sorted(candidates, key=_links_last):
        path, real = candidate.path, candidate.real
        if path in given:
            continue
        if nature := nature_by_name(candidate.name):
            left.append(Left(path, nature.why))
        elif real in owners:
            left.append(Left(path, f"is the same file as {owners[real]}"))
        else:
            owners[real] = path
            taken.append(candidate)
    return sorted(taken), left


def _links_last(candidate: Candidate) -> tuple[bool, str]:
    return candidate.is_link, candidate.path


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many each may have of what there is room for: those that want little get all of it."""
    given = [0] * len(wanted)
    waiting = sorted(range(len(wanted)), key=lambda one: wanted[one])
    for number, one in enumerate(waiting):
        given[one] = min(wanted[one], room // (len(waiting) - number))
        room -= given[one]
    return given


def choose(
    candidates: Sequence[Candidate], most: int, known: Collection[str]
) -> Sequence[Candidate]:
    """So many of the candidates: those that were chosen before, then the first by their names."""
    if len(candidates) <= most:
        return candidates
    return sorted(candidates, key=lambda one: (one.path not in known, one.path))[:most]
