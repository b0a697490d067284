"""A glob, part by part: pure functions over names.

As in a shell, `*`, `?` and `[...]` match within a name, hidden names only where the dot is written,
and `**` stands for any number of directories, links to directories not among them.
"""

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Part:
    """What one name of a path has to match."""

    text: str
    is_deep: bool
    """Whether it is `**`."""
    regex: re.Pattern[str] | None
    """None for a name that is meant as it is."""

    def matches(self, name: str) -> bool:
        if self.regex is None:
            return name == self.text
        if name.startswith(".") and not self.text.startswith("."):
            return False
        return self.regex.fullmatch(name) is not None


@dataclass(frozen=True)
class Glob:
    """The directory in which the search begins, and what the names below it have to match."""

    root: Path
    parts: tuple[Part, ...]
    """The last one is for files, the others are for directories."""

    @property
    def root_text(self) -> str:
        return str(self.root)

    @classmethod
    def parse(cls, path: Path) -> "Glob":
        """The glob that an absolute path is; of one that is none, the file itself."""
        names = list(path.parts[1:])
        root = Path(path.anchor)
        while len(names) > 1 and not _MAGIC.search(names[0]):
            root /= names.pop(0)
        if names[-1:] == ["**"]:
            names.append("*")
        return cls(root, tuple(map(_part, names)))

    @classmethod
    def all_in(cls, directory: Path) -> "Glob":
        """All files in a directory, whatever its name looks like."""
        return cls(directory, (_part("*"),))


def _part(text: str) -> Part:
    if text == "**":
        return Part(text, True, None)
    regex = re.compile(fnmatch.translate(text)) if _MAGIC.search(text) else None
    return Part(text, False, regex)
