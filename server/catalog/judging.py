"""Which of the files that globs match are logs now, with what was seen in earlier looks."""

import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from server.catalog.matching import Candidate, Left, Matches
from server.catalog.natures import EMPTY, TEXT, Nature, nature_of
from server.catalog.selection import Number, choose, shares, siblings_in, without_others
from server.catalog.siblings import Relation, relations
from server.catalog.specs import DirectorySpec, GlobSpec
from server.logs.layout import DatedLayout

MOST_LOGS = 10_000
"""Logs that are found by globs and in directories."""

MOST_REMEMBERED = 2 * MOST_LOGS
"""Logs of which the names are remembered, so that what is rotated from them is known."""

Search = DirectorySpec | GlobSpec


class Judgement(NamedTuple):
    """The logs, with why they cannot be read, what is left out, and what is wrong with a search."""

    logs: dict[str, str]
    left: list[Left]
    problems: list[tuple[Search, str]]


class _Related(NamedTuple):
    files: tuple[str, ...]
    logs: tuple[str, ...]
    relations: dict[str, Relation]


class Judge:
    """Tells which files are logs. It opens those that it has not seen before."""

    def __init__(self) -> None:
        self._natures: dict[tuple[str, int], tuple[Nature, object]] = {}
        self._logs: dict[str, int] = {}  # those that were found last, with their numbers
        self._absent: set[str] = set()  # of these, the ones that were not there
        self._names: dict[str, None] = {}  # all that were ever found, oldest first
        self._rotated: set[Number] = set()
        self._related: dict[str, _Related] = {}  # by directory

    @property
    def is_unsure(self) -> bool:
        """Whether it may come to another judgement though no directory has changed.

        What is text stays a log; other files may become one.
        """
        return any(nature is not TEXT for nature, _ in self._natures.values())

    @property
    def empty(self) -> list[str]:
        """The files that held nothing, which tells nothing about what they will hold."""
        return [path for (path, _), (nature, _) in self._natures.items() if nature is EMPTY]

    @property
    def has_absent(self) -> bool:
        """Whether a log that was not there was kept for another look."""
        return bool(self._absent)

    def judge(
        self,
        matches: Mapping[Search, Matches],
        given: Mapping[str, str],
        dated: Collection[DatedLayout],
        most: int,
    ) -> Judgement:
        """Which of the files that were matched are logs, besides those that the user has named.

        These are `given`, also without links, with how they are shown, and the `dated` ones. No
        more than `most` are logs. One that is not there any more is one for another look: perhaps
        it is just being rotated.
        """
        found = _by_directory(matches, dated)
        paths = {one.path for files in found.values() for one in files.values()}
        alone = self._without_siblings(found, [*given, *(self._names.keys() - paths)])
        plain, left = without_others(alone, given)
        chosen, problems = self._choose(matches, {one.path: one for one in plain}, most)
        self._natures = {(one.path, one.number): self._nature_of(one) for one in chosen}
        natures = [(one, self._natures[one.path, one.number][0]) for one in chosen]
        left += [Left(one.path, nature.why) for one, nature in natures if nature.why]
        texts = {one.path: one.number for one, nature in natures if not nature.why}
        self._absent = {path for path in self._logs if path not in paths} - self._absent
        judged = {**dict.fromkeys(texts, ""), **dict.fromkeys(sorted(self._absent), "was removed")}
        self._logs = {path: texts.get(path) or self._logs[path] for path in judged}
        self._remember(texts)
        for one in matches.values():
            left += [*one.left, *(left for taken in one.taken.values() for left in taken.left)]
        return Judgement(judged, left, problems)

    def _without_siblings(
        self, found: Mapping[str, dict[str, Candidate]], logs: Collection[str]
    ) -> list[Candidate]:
        gone: dict[str, list[str]] = defaultdict(list)
        for path in logs:
            directory, _, name = path.rpartition("/")
            gone[directory or "/"].append(name)
        related: dict[str, _Related] = {}
        alone: list[Candidate] = []
        rotated: set[Number] = set()
        for directory, files in found.items():
            now = _Related(tuple(files), tuple(sorted(gone[directory])), {})
            known = self._related.get(directory)
            if not known or known[:2] != now[:2]:
                known = now._replace(relations=relations(files, now.logs))
            related[directory] = known
            siblings = siblings_in(directory, files, known.relations, self._logs, self._rotated)
            rotated |= siblings.seen
            alone += [one for one in files.values() if one.name not in siblings.names]
        self._related, self._rotated = related, rotated
        return alone

    def _nature_of(self, one: Candidate) -> tuple[Nature, object]:
        """What the file is, and the state in which it is that."""
        nature, state = self._natures.get((one.path, one.number), (None, None))
        if nature is TEXT:
            return nature, state
        now = _state(one.path)
        is_same = nature and nature.lasts and now and now == state
        return (nature, now) if nature and is_same else (nature_of(one.path), now)

    def _choose(
        self, matches: Mapping[Search, Matches], plain: dict[str, Candidate], most: int
    ) -> tuple[list[Candidate], list[tuple[Search, str]]]:
        """No more logs than there may be, and which search finds too many, or none."""
        problems: list[tuple[Search, str]] = []
        own: list[list[Candidate]] = []
        for search, one in matches.items():
            own.append([file for its in one.files() if (file := plain.pop(its.path, None))])
            if one.problem:
                problems.append((search, one.problem))
            elif one.is_nothing:
                problems.append((search, _nothing(search)))
        chosen: list[Candidate] = []
        given = shares([len(candidates) for candidates in own], most)
        for search, candidates, share in zip(matches, own, given, strict=True):
            chosen += choose(candidates, share, self._logs)
            if share < len(candidates):
                problems.append((search, _too_many(share)))
        return sorted(chosen), problems

    def _remember(self, logs: Collection[str]) -> None:
        for path in logs:
            self._names.setdefault(path)
        for path in list(self._names)[: max(0, len(self._names) - MOST_REMEMBERED)]:
            del self._names[path]


def _state(path: str) -> object:
    """What changes whenever a file does; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _by_directory(
    matches: Mapping[Search, Matches], dated: Collection[DatedLayout]
) -> dict[str, dict[str, Candidate]]:
    """What was found in each directory, but for the files of the logs that are `dated`."""
    found: dict[str, dict[str, Candidate]] = defaultdict(dict)
    for one in matches.values():
        for directory, taken in one.taken.items():
            found[directory].update((file.name, file) for file in taken.candidates)
    for layout in dated:
        parent = str(layout.path.parent)
        for directory, files in found.items():
            if os.path.realpath(directory) == os.path.realpath(parent):
                for name in [name for name in files if layout.pattern.mark_of(name)]:
                    del files[name]
    return {directory: found[directory] for directory in sorted(found)}


def _nothing(search: Search) -> str:
    if isinstance(search, DirectorySpec):
        return "has no files yet: it is looked at again and again"
    return "matches no file yet: it is looked for again and again"


def _too_many(share: int) -> str:
    return (
        f"stands for more than {share:,} logs, the others are left out: "
        "give a glob that matches fewer, or the logs that matter by their names"
    )
