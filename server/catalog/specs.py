"""What a LOG on the command line means: a file, many files, a file for each day, standard input."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from server.errors import StartError
from server.logs.dates import DatePattern

STANDARD_INPUT = "-"

LONGEST_ALIAS = 100
"""Characters of an alias."""

_GLOB = re.compile(r"[*?\[]")
_ALIAS = re.compile(r"([^=]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)


class Kind(Enum):
    """What stands at a path."""

    NOTHING = auto()
    FILE = auto()
    """Also a FIFO or a device: whoever opens it says why it is no log."""
    DIRECTORY = auto()


Look = Callable[[str], Kind]
"""Tells what stands at a path."""


@dataclass(frozen=True)
class FileSpec:
    """A file, also one that is not there yet. `text` is what the user has written."""

    text: str
    path: Path
    alias: str = ""
    """The name that the user has given to it; empty without one."""


@dataclass(frozen=True)
class DatedSpec:
    """One log that has a file for each date, named by the pattern that `path` ends with."""

    text: str
    path: Path
    alias: str = ""


@dataclass(frozen=True)
class DirectorySpec:
    """Every text file in a directory, but not in those within it."""

    text: str
    path: Path


@dataclass(frozen=True)
class GlobSpec:
    """Every text file whose path is matched; `**` stands for any number of directories, and a slash
    at the end for all files in those that are matched.
    """

    text: str
    path: Path


@dataclass(frozen=True)
class InputSpec:
    """Standard input."""

    text: str
    alias: str = ""


Spec = FileSpec | DatedSpec | DirectorySpec | GlobSpec | InputSpec


def kind_of(path: str) -> Kind:
    """What stands there, links followed."""
    try:
        if os.path.isdir(path):
            return Kind.DIRECTORY
        return Kind.FILE if os.path.lexists(path) else Kind.NOTHING
    except ValueError:  # a NUL in it
        return Kind.NOTHING


def parse_specs(
    texts: Sequence[str], look: Look = kind_of, directory: Path | None = None
) -> list[Spec]:
    """What each of the LOGs is, without those that say the same twice.

    Relative paths are relative to `directory`, else to the one that the process works in. Raises
    StartError where one of them means nothing, or two have one name.
    """
    specs = [parse_spec(text, look, directory) for text in dict.fromkeys(texts)]
    inputs = [spec for spec in specs if isinstance(spec, InputSpec)]
    if len(inputs) > 1:
        raise problem("standard input (-) can be read once only: leave all but one out")
    by_alias: dict[str, Spec] = {}
    by_path: dict[Path, Spec] = {}
    for spec in specs:
        alias = alias_of(spec)
        if alias and (other := by_alias.setdefault(alias, spec)) is not spec:
            raise problem(
                f"{spec.text} and {other.text} have one name: give each log a name of its own"
            )
        if isinstance(spec, InputSpec) or (known := by_path.setdefault(spec.path, spec)) is spec:
            continue
        if alias and alias_of(known):
            raise problem(f"{spec.text} and {known.text} are one log: give it one name")
        if alias:
            by_path[spec.path] = spec
    return [spec for spec in specs if isinstance(spec, InputSpec) or by_path[spec.path] is spec]


def alias_of(spec: Spec) -> str:
    """The name that the user has given to a log; empty without one."""
    return "" if isinstance(spec, DirectorySpec | GlobSpec) else spec.alias


def parse_spec(text: str, look: Look = kind_of, directory: Path | None = None) -> Spec:
    """What a LOG is. A file that is there is that file, whatever its name looks like."""
    if not text:
        raise problem("an empty LOG names nothing: give the path of a log file")
    if "\0" in text:
        raise problem(f"{text} is not a path: give the path of a log file")
    if text == STANDARD_INPUT:
        return InputSpec(text)
    at = directory or _working_directory(text)
    there = look(str(at / _expanded(text)))
    alias, path = "", text
    if there is Kind.NOTHING and (match := _ALIAS.fullmatch(text)) and not _is_path(match[1]):
        alias, path = _check_alias(match[1], match[2], text), match[2]
        if path == STANDARD_INPUT:
            return InputSpec(text, alias)
        there = look(str(at / _expanded(path)))
        if there is Kind.NOTHING and "=" in path.split("/")[0]:
            raise problem(
                f"{text} has two names: give it one NAME=, "
                f"or begin a path that has = in it with ./ ({alias}=./{path})"
            )
    return _place(text, alias, path, there, at)


def _place(text: str, alias: str, path: str, there: Kind, at: Path) -> Spec:
    """What the path of a LOG is."""
    whole = Path(os.path.normpath(at / _expanded(path)))
    if there is Kind.FILE:
        return FileSpec(text, whole, alias)
    is_many = there is Kind.DIRECTORY or path.endswith("/")
    if is_many or _GLOB.search(path):
        if alias:
            raise problem(
                f"{text}: {alias} would be the name of many logs: leave {alias}= out, "
                "or give the path of one file"
            )
        if is_many and (there is Kind.DIRECTORY or not _GLOB.search(path)):
            return DirectorySpec(text, whole)
        if any(one.isalpha() for one in _DIRECTIVE.findall(path)):
            raise problem(
                f"{text} is both a glob and a pattern with dates: give either, for each of the logs"
            )
        return GlobSpec(text, whole / "*" if is_many else whole)
    if "%" in path:
        parent, name = os.path.split(str(whole))
        if set(_DIRECTIVE.findall(parent)) - {"%"}:
            raise problem(
                f"{text}: dates can stand in the name of a file, not in those of directories: "
                "put them behind the last slash (a percent sign is written %%)"
            )
        parent = parent.replace("%%", "%")
        if set(_DIRECTIVE.findall(name)) == {"%"}:
            return FileSpec(text, Path(parent, name.replace("%%", "%")), alias)
        try:
            DatePattern.parse(name)
        except StartError as error:
            raise problem(f"{text}: {error}" if text != name else str(error)) from None
        return DatedSpec(text, Path(parent, name), alias)
    return FileSpec(text, whole, alias)


def _check_alias(alias: str, path: str, text: str) -> str:
    why = ""
    if not alias:
        why = "there is no name in front of the =: give one, or leave the = out"
    elif not path:
        why = f"there is no path behind the =: give one, as in {alias}={alias}.log"
    elif "/" in alias or "\\" in alias:
        why = (
            "a name has no slash: take it out, "
            "or begin a path that has = in it with ./, or give it a name, too"
        )
    elif _GLOB.search(alias):
        why = (
            "a name has no *, ? or [, which choose among names: take them out, "
            "or begin a path that has = in it with ./"
        )
    elif not alias.isprintable() or alias != alias.strip():
        why = "a name has no control characters, and no blanks at its ends: take them out"
    elif alias in (".", ".."):
        why = "that is no name in an address: give another one"
    elif len(alias) > LONGEST_ALIAS:
        why = f"a name has no more than {LONGEST_ALIAS} characters: give a shorter one"
    if why:
        raise problem(f"{text}: {why}")
    return alias


def problem(words: str) -> StartError:
    """The error that is told in these words, in one line whatever was given."""
    return StartError("".join(one if one.isprintable() else repr(one)[1:-1] for one in words))


def _is_path(text: str) -> bool:
    """Whether what stands in front of a = is the beginning of a path for sure, and no name."""
    return text.startswith(("/", "./", "../", "~/"))


def _expanded(path: str) -> str:
    """The shell does this but behind a =."""
    return os.path.expanduser(path) if path.startswith("~/") else path


def _working_directory(text: str) -> Path:
    if text.startswith("/"):
        return Path("/")
    try:
        return Path.cwd()
    except OSError as error:
        raise problem(
            f"{text}: the working directory cannot be found ({error.strerror}): "
            "change to one that exists, or give the whole path of the log"
        ) from None
