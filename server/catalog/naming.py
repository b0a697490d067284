"""What logs are called: the name of the file where that is enough to tell it from others, else with
as many of its directories as it takes.

A name that was given once stays, whatever comes and goes beside it. The same files give the same
names when they are all there from the start, in whatever order they are found.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

MOST_KNOWN = 20_000
"""Names that are remembered, also of files that are gone: these may come back."""

_DATES = re.compile(r"[._ -]*%[^%](?:[._ :T-]*%[^%])*([._ -]?)")
_ODD = re.compile(r"[*?\[\]\\]")

Label = tuple[str, ...]
"""What a log may be named by: its directories and the name of its file, as they can be shown."""


class Named(NamedTuple):
    label: Label
    name: str


def label_of(path: Path, is_dated: bool = False) -> Label:
    """The parts of a path, without what cannot stand in a name that is typed or chosen by globs.

    Of a path whose last part is a pattern with dates, these are left out.
    """
    parts = [part for part in path.parts if part != path.anchor]
    if is_dated:
        parts[-1:] = [_without_dates(path)]
    return tuple(map(_shown, parts)) or ("log",)


def _without_dates(path: Path) -> str:
    name = _DATES.sub(r"\1", path.name).replace("%%", "%")
    if name[:1] in ("", ".", "_", "-"):  # there is nothing in front of the date
        name = f"{path.parent.name or 'log'}{name}"
    return name


def _shown(part: str) -> str:
    plain = _ODD.sub("_", part)
    return "".join(one if one.isprintable() else "_" for one in plain)


def names_for(
    new: Mapping[Path, Label], counts: Mapping[str, int], taken: Collection[str]
) -> dict[Path, str]:
    """Names for the paths in `new`, none of which is `taken`.

    `counts` tells how many labels end with what may be a name, those in `new` among them.
    """
    used = set(taken)
    names: dict[Path, str] = {}
    left: list[Path] = []
    for path in sorted(new, key=lambda path: (path.name != new[path][-1], path)):
        free = (one for one in _names(new[path]) if counts[one] == 1 and one not in used)
        name = next(free, None)
        if name is None:
            left.append(path)
        else:
            names[path] = name
            used.add(name)
    for path in left:  # others end with all of their directories, too, or have the same label
        whole = "/".join(new[path])
        number, name = 1, whole
        while name in used:
            number += 1
            name = f"{whole}~{number}"
        names[path] = name
        used.add(name)
    return names


def _names(label: Label) -> Iterable[str]:
    """What a log may be called, from the shortest to the longest."""
    return ("/".join(label[-length:]) for length in range(1, len(label) + 1))


class Names:
    """Gives names to paths, and remembers them. `aliases` are the names that the user has given."""

    def __init__(self, aliases: Collection[str] = ()) -> None:
        self._known: OrderedDict[Path, Named] = OrderedDict()
        self._taken = set(aliases)
        self._labels: Counter[Label] = Counter()
        self._counts: Counter[str] = Counter()

    def name(self, paths: Mapping[Path, bool]) -> dict[Path, str]:
        """The names of all of these paths, which those that have one keep.

        Of each it is told whether its last part is a pattern with dates.
        """
        new = {
            path: label_of(path, is_dated)
            for path, is_dated in paths.items()
            if path not in self._known
        }
        for label in new.values():
            self._labels[label] += 1
            if self._labels[label] == 1:
                self._counts.update(_names(label))
        for path, name in names_for(new, self._counts, self._taken).items():
            self._known[path] = Named(new[path], name)
            self._taken.add(name)
        for path in paths:
            self._known.move_to_end(path)
        names = {path: self._known[path].name for path in paths}
        while len(self._known) > max(MOST_KNOWN, len(paths)):
            self._forget(*self._known.popitem(last=False)[1])
        return names

    def _forget(self, label: Label, name: str) -> None:
        self._taken.discard(name)
        self._labels[label] -= 1
        if not self._labels[label]:
            del self._labels[label]
            self._counts.subtract(_names(label))
            for one in _names(label):
                if not self._counts[one]:
                    del self._counts[one]
