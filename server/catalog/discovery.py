"""Which logs there are: looks again and again at what the user has given.

A directory is listed when it has changed, and a file opened when it was not seen before. What is
found is kept in a `View`, and `changes` tells what became of it since the last one.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from server.catalog.directories import OUTDATED, Directories
from server.catalog.globs import Glob
from server.catalog.judging import MOST_LOGS, Judge, Search
from server.catalog.matching import Matches, match
from server.catalog.naming import Names
from server.catalog.specs import DatedSpec, DirectorySpec, FileSpec, GlobSpec, Spec, alias_of
from server.catalog.standing import Standing
from server.logs.layout import DatedLayout, FixedLayout, Layout

PAUSE = 2.0
"""Seconds between two looks."""

LONGEST_PAUSE = 30.0
"""The same where looks cost much."""

REST = 100
"""Pauses are so many times as long as what looks take of the processor, at the least."""

MOST_LEFT_OUT = 1_000
"""Files of which it is told why they are no logs."""

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """A log: its name, where it is, and why it cannot be read; empty if nothing is known."""

    name: str
    path: Path
    problem: str = ""
    is_dated: bool = False
    """Whether its path ends with a pattern with dates."""

    def layout(self, served: Callable[[], Collection[str]] = tuple) -> Layout:
        """How its files are laid out. `served` tells which files are logs: see FixedLayout."""
        return DatedLayout(self.path) if self.is_dated else FixedLayout(self.path, served)


class LeftOut(NamedTuple):
    """What is no log, and why, in words that follow its path."""

    path: str
    why: str


class Problem(NamedTuple):
    """What is wrong with something that the user has given, in words that follow its text."""

    text: str
    why: str


class View(NamedTuple):
    """What a look has found. Of what is left out, `more` are not listed."""

    found: tuple[Found, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[Problem, ...] = ()
    more: int = 0


class Changes(NamedTuple):
    """What is different between two looks; `changed` has the logs with another problem, or none."""

    added: tuple[Found, ...]
    removed: tuple[Found, ...]
    changed: tuple[Found, ...]


def changes(before: View, now: View) -> Changes:
    """What has changed from one look to the next."""
    old = {(one.name, one.path): one for one in before.found}
    new = {(one.name, one.path): one for one in now.found}
    return Changes(
        tuple(one for key, one in new.items() if key not in old),
        tuple(one for key, one in old.items() if key not in new),
        tuple(one for key, one in new.items() if old.get(key, one) != one),
    )


def pause_after(spent: float, before: float) -> float:
    """Seconds to the next look after one that took so many of the processor, and one `before`.

    One that costs much because something has changed is not followed by a long pause.
    """
    return max(PAUSE, min(LONGEST_PAUSE, REST * min(spent, before)))


Tell = Callable[[View, Changes], None]
"""Takes what there is now, and what has changed."""


class Discovery:
    """Looks for the logs that `specs` stand for, but not in the directories `excluded`.

    `reserved` are names that no log gets, such as those of commands. Standard input is left to
    whoever reads it.
    """

    def __init__(
        self, specs: Sequence[Spec], excluded: Sequence[Path] = (), reserved: Collection[str] = ()
    ) -> None:
        self._aliases = {
            spec.path: spec.alias for spec in specs if isinstance(spec, FileSpec | DatedSpec)
        }
        self._standing = {
            spec.path: Standing(
                DatedLayout(spec.path) if isinstance(spec, DatedSpec) else FixedLayout(spec.path)
            )
            for spec in specs
            if isinstance(spec, FileSpec | DatedSpec)
        }
        self._searches: dict[Search, Glob] = {
            spec: Glob.parse(spec.path) if isinstance(spec, GlobSpec) else Glob.all_in(spec.path)
            for spec in specs
            if isinstance(spec, GlobSpec | DirectorySpec)
        }
        self._excluded = tuple(excluded)
        self._names = Names({*reserved, *filter(None, map(alias_of, specs))})
        self._directories = Directories()
        self._judge = Judge()
        self._matches: dict[Search, Matches] = {}
        self._problems: dict[Path, str] = {}
        self._paths: dict[str, Path] = {}
        self._judged = -float("inf")
        self._pool = ThreadPoolExecutor(1, "discover")
        self._told: View | None = None
        self.view = View()
        """What was found last."""
        self.served: Collection[str] = frozenset()
        """The paths of the files that are logs, links followed."""

    async def watch(self, tell: Tell) -> None:
        """Look again and again, for ever, and tell what is new since it was told last.

        The first look is told in any case.
        """
        last = 0.0
        while True:
            before = self._told
            now, spent = await asyncio.get_running_loop().run_in_executor(self._pool, self._spend)
            if now is not before:
                said = {problem.text for problem in before.problems} if before else set[str]()
                for problem in now.problems:
                    if problem.text not in said:
                        _log.warning("%s %s", *problem)
                tell(now, changes(before or View(), now))
            self._told = now
            pause, last = pause_after(spent, last), spent
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Give up the thread, so that the process can end at once."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _spend(self) -> tuple[View, float]:
        start = time.thread_time()
        return self.look(), time.thread_time() - start

    def look(self) -> View:
        """What there is now: the same object for as long as that is the same.

        It belongs in a thread, and never in two at the same time.
        """
        self._directories.begin()
        has_changed = self._search()
        problems = {path: standing.look() for path, standing in self._standing.items()}
        is_due = self._judge.is_unsure and time.monotonic() - self._judged > OUTDATED
        if has_changed or is_due or problems != self._problems or self._is_to_be_judged():
            self._problems, self._judged = problems, time.monotonic()
            view = self._view()
            self.view = self.view if view == self.view else view
        return self.view

    def _search(self) -> bool:
        """Look for the files that are searched for, and tell whether any directory has changed."""
        excluded = [os.path.realpath(path) for path in self._excluded]
        has_changed = False
        for search, glob in self._searches.items():
            known = self._matches.get(search)
            if known is None or not self._directories.are_same(known.listings):
                self._matches[search] = match(glob, self._directories, excluded, known)
                has_changed = True
        return has_changed

    def _is_to_be_judged(self) -> bool:
        """Whether a log has gone that was kept for this look, or an empty file holds something."""
        return self._judge.has_absent or any(map(_size, self._judge.empty))

    def _view(self) -> View:
        given, dated = self._given_files()
        judged = self._judge.judge(self._matches, given, dated, MOST_LOGS)
        logs = {**self._problems, **{self._path(one): why for one, why in judged.logs.items()}}
        self._paths = {str(path): path for path in logs}
        real = {one.path: one.real for found in self._matches.values() for one in found.files()}
        self.served = frozenset(real.get(path) or os.path.realpath(path) for path in self._paths)
        is_dated = {path: path in self._standing and self._standing[path].is_dated for path in logs}
        names = self._names.name(
            {path: is_dated[path] for path in logs if not self._aliases.get(path)}
        )
        left = sorted({LeftOut(*one) for one in judged.left})
        return View(
            tuple(
                Found(self._aliases.get(path) or names[path], path, why, is_dated[path])
                for path, why in logs.items()
            ),
            tuple(left[:MOST_LEFT_OUT]),
            tuple(Problem(search.text, why) for search, why in judged.problems),
            max(0, len(left) - MOST_LEFT_OUT),
        )

    def _path(self, text: str) -> Path:
        """The path that `text` is; of a log that was found before, the same object."""
        return self._paths.get(text) or Path(text)

    def _given_files(self) -> tuple[dict[str, str], list[DatedLayout]]:
        """The files that the user has named, also without links, and how they are shown."""
        given: dict[str, str] = {}
        dated: list[DatedLayout] = []
        for path, standing in self._standing.items():
            if isinstance(standing.layout, DatedLayout):
                dated.append(standing.layout)
            elif self._searches:
                given[str(path)] = self._aliases[path] or str(path)
                given.setdefault(os.path.realpath(path), given[str(path)])
        return given, dated


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
