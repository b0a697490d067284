"""Text that anybody may have written, as it is fit for a terminal, and its colours."""

import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable

import click

from server.formats.levels import Level

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
"""What programs write to have a terminal change the colour."""

_HARMLESS = "\t\u200c\u200d"
"""Beside what is printable: tabs, and what joins and parts letters and emoji."""

_STYLES: dict[Level, dict[str, object]] = {
    Level.TRACE: {"fg": "bright_black"},
    Level.DEBUG: {"fg": "bright_black"},
    Level.NOTICE: {"fg": "cyan"},
    Level.WARNING: {"fg": "yellow"},
    Level.ERROR: {"fg": "red"},
    Level.CRITICAL: {"fg": "red", "bold": True},
}


def visible(text: str) -> str:
    """`text` without colours of its own, in one line, and no power over a terminal.

    Whatever else a terminal would obey, or not show, is shown as Python writes it: `\\x1b`.
    """
    if text.isprintable():
        return text
    plain = _COLOURS.sub("", text)
    return _with_each(plain, lambda char: repr(char)[1:-1])


def visible_json(text: str) -> str:
    """The same for JSON, which means what it meant before: such characters are escaped in it."""
    if text.isprintable():
        return text
    # between its values, there are but blanks
    one_line = text.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    return _with_each(one_line, lambda char: json.dumps(char)[1:-1])


def _with_each(text: str, escaped: Callable[[str], str]) -> str:
    return "".join(char if _is_harmless(char) else escaped(char) for char in text)


def _is_harmless(char: str) -> bool:
    return char.isprintable() or char in _HARMLESS or unicodedata.category(char) == "Zs"


def is_wanted(color: str) -> bool:
    """Whether there are to be colours, if `--color` is `auto`, `always` or `never`.

    `auto` are those of a terminal that has some, unless NO_COLOR is set (https://no-color.org).
    """
    if color != "auto":
        return color == "always"
    if sys.stdout is None or not sys.stdout.isatty():
        return False
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, level: Level | None) -> str:
    """`text` in the colour of its level."""
    style = _STYLES.get(level) if level is not None else None
    return click.style(text, **style) if style else text  # type: ignore[arg-type]


def named(name: str) -> str:
    """The name of a log, in a colour that no level has."""
    return click.style(name, fg="magenta")
