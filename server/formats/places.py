"""The places where the level of a line stands: for one line, and for blocks of many lines."""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from server.formats.heads import (
    BGL,
    CUPS,
    ENVELOPE,
    ESCAPED_JSON,
    JSON,
    KLOG_TIME,
    LEVEL_KEYS,
    LOGCAT_THREADS,
    LOGCAT_TIME,
    LOGFMT,
    MONGO,
    MONGO_JSON,
    MONOLOG,
    NAMED,
    OTHERS,
    PHP,
    PLACE,
    PROGRAM,
    REDIS,
    START,
    SYSLOG,
    TIMED,
)
from server.formats.levels import (
    APACHE,
    LETTERS,
    MARKS,
    NUMBERS,
    PRIORITIES,
    SEVERITIES,
    WEAK,
    WORDS,
    Level,
)
from server.formats.patterns import ESCAPE, GAP, any_case, for_re, for_re2, one_of

RE2_MEMORY = 32 << 20
"""What RE2 must be allowed (`max_mem`) for these expressions, of which it uses some megabytes."""

Table = Mapping[Level, tuple[str, ...]]

_STRONG: Table = {
    level: tuple(word for word in words if word not in WEAK) for level, words in WORDS.items()
}
_PHP: Table = {
    Level.CRITICAL: ("Fatal error", "Parse error"),
    Level.ERROR: ("Recoverable fatal error",),
    Level.WARNING: ("Warning",),
    Level.NOTICE: ("Notice", "Deprecated"),
}
_RUST: Table = {Level.ERROR: ("error",), Level.WARNING: ("warning",)}
_NPM: Table = {
    Level.ERROR: ("ERR!", "error"),
    Level.WARNING: ("WARN", "warn"),
    Level.INFO: ("notice", "info", "http"),
    Level.TRACE: ("verb", "silly"),
}

_END = rf"(?:[ \t:|\[!\r]|{ESCAPE}|$)"
_END_OF_HEAD = rf"(?:[ \t:|\[!\r,/)>\]]|{ESCAPE}|$)"
_COLON = rf":(?:[ \t\r]|{ESCAPE}|$)"
_CLEAR = rf"(?::(?:[ \t\r]|{ESCAPE}|$)|[ \t]{{2}}|\t|[ \t]*\||\])"
_OPEN = rf"[\[(<{{]{GAP}*"
_CLOSE = rf"{GAP}*[\])>}}|]"


class Place(NamedTuple):
    """What stands before a level, how levels are spelled there, and what stands after it."""

    before: str
    table: Table
    after: str
    any_case: bool = False

    def pattern(self, least: Level, group: bool) -> str | None:
        """The place with a level of at least this one; None if none of them can stand there."""
        texts = [text for level, texts in self.table.items() if level >= least for text in texts]
        if not texts:
            return None
        spelled = any_case(texts) if self.any_case else one_of(texts)
        return f"{self.before}{f'({spelled})' if group else spelled}{self.after}"


class Head(NamedTuple):
    """Places that have the same beginning."""

    starts: str
    """The characters that a line of this kind can begin with, as a class."""
    before: str
    places: tuple[Place, ...]

    def pattern(self, least: Level, group: bool) -> str | None:
        """The places with a level of at least this one, None if there are none."""
        parts = [place.pattern(least, group) for place in self.places]
        if not any(parts):
            return None
        return f"{self.before}(?:{'|'.join(filter(None, parts))})"


def _in_json(pairs: str, quote: str) -> Head:
    """The places in JSON with these quotes."""
    key = any_case(LEVEL_KEYS)
    graded = any_case(("priority", "severity", "syslog_severity"))
    to_value = f"{quote} *: *"
    end = r"(?:[ ,}\r]|$)"
    return Head(
        "{",
        pairs,
        (
            Place(f"{key}{to_value}{quote}", WORDS, quote, any_case=True),
            Place(f"{key}{to_value}", NUMBERS, end),
            Place(f"{graded}{to_value}(?:{quote})?", SEVERITIES, f"(?:{quote}|{end})"),
            Place(f"log{to_value}{pairs}level{to_value}{quote}", WORDS, quote, any_case=True),
        ),
    )


_LOGFMT = Place(
    f'{LOGFMT}{any_case(LEVEL_KEYS)}=(?:\\\\?")?',
    WORDS,
    r'(?:[ "\\\r]|$)',
    any_case=True,
)
_BARE = Place("", WORDS, _END_OF_HEAD)
_IN_BRACKETS = Place(_OPEN, WORDS, _CLOSE, any_case=True)

_HEADS = (
    Head(
        r"[\d\[(< \t\x1b\\A-Z]",
        TIMED,
        (
            _BARE,
            _IN_BRACKETS,
            Place("", WORDS, _CLEAR, any_case=True),
            Place(r"\[[\w.-]+:", APACHE, r"\]"),
            Place("", WORDS, r" +[\w.-]+ *\[", any_case=True),
            _BARE._replace(before=rf"{NAMED}\[?"),
            _LOGFMT,
        ),
    ),
    Head(
        "(?s:.)",
        START,
        (
            Place("", _STRONG, _END),
            Place(rf"\[{GAP}*", WORDS, rf"{GAP}*\]", any_case=True),
            Place(r"[(<]", WORDS, r"[)>]"),
            Place(f"(?:{PLACE})?", WORDS, _COLON, any_case=True),
            Place(r"[\w-]+::", WORDS, "::"),
            Place("", _RUST, r"\[\w+\]: "),
        ),
    ),
    Head(r"[\w/@$.]", PROGRAM, (Place("", WORDS, _COLON, any_case=True),)),
    Head(r"\[", MONOLOG, (Place("", WORDS, _COLON),)),
    _in_json(JSON, '"'),
    _in_json(ESCAPED_JSON, r'\\"'),
    Head(r"[A-Za-z_@]", "", (_LOGFMT,)),
    Head("[A-Z]", "", (Place("", LETTERS, KLOG_TIME),)),
    Head(
        r"[A-Z\d]",
        f"(?:{LOGCAT_TIME})?",
        (Place("", LETTERS, r"/[^(\n]{1,60}\( *\d+\): "),),
    ),
    Head(r"\d", LOGCAT_TIME + LOGCAT_THREADS, (Place("", LETTERS, " "),)),
    Head("[A-Z]", "", (Place("", LETTERS, r", \[\d{4}-"), Place("", LETTERS, " " + CUPS))),
    Head(r"[\d\[]", REDIS, (Place("", MARKS, " "),)),
    Head(r"\d", MONGO, (Place("", LETTERS, r"\d? +[A-Z]{2,}\w* +\["),)),
    Head("{", MONGO_JSON, (Place("", LETTERS, r'\d?"'),)),
    Head("[A-Z-]", BGL, (Place("", WORDS, " "),)),
    Head(r"[\[P]", PHP, (Place("", _PHP, ": "),)),
    Head("n", "npm ", (Place("", _NPM, " "),)),
    Head("<", "<", (Place("", PRIORITIES, ">"),)),
)


@cache
def patterns_at_least(level: Level) -> str:
    """An expression that finds, in a block, each line whose level is at least this one.

    A match begins where its line does and lies within it. It is meant for RE2 with bytes: with
    `Options.Encoding.LATIN1`, and with `RE2_MEMORY` as `max_mem`.
    """
    wholes = filter(None, (head.pattern(level, group=False) for head in _HEADS))
    text = f"(?m)^(?:{ENVELOPE})?(?:{SYSLOG})?(?:{'|'.join(wholes)})"
    return for_re2(text, OTHERS)


def any_level() -> str:
    """An expression that finds, in a block, each line that has any level."""
    return patterns_at_least(min(Level))


def runs_at_least(level: Level) -> str:
    """The same as `patterns_at_least`, but a match is a run of whole lines, with their newlines.

    It is for levels that most lines have, when each match costs more than the search.
    """
    line = patterns_at_least(level).removeprefix("(?m)^")
    return rf"(?m)^(?:{line}[^\n]*(?:\n|$))+"


class Reader(NamedTuple):
    """Finds the level of one line that begins with a certain character."""

    regex: "re.Pattern[bytes]"
    tables: tuple[Mapping[bytes, Level], ...]
    """For each group of the expression the levels by what it holds."""


@cache
def reader(first: int) -> Reader:
    """What finds the level of a line with this first byte, in Python's re.

    It is made when the first such line comes: compiling takes some ten milliseconds.
    """
    char = chr(first)
    return _reader(tuple(n for n, head in enumerate(_HEADS) if re.match(head.starts, char)))


@cache
def _reader(numbers: tuple[int, ...]) -> Reader:
    some = [_HEADS[number] for number in numbers]
    wholes = filter(None, (head.pattern(min(Level), group=True) for head in some))
    tables = [_by_text(place) for head in some for place in head.places]
    return Reader(_compiled(f"(?m:{'|'.join(wholes)})"), tuple(tables))


@cache
def prefix() -> "re.Pattern[bytes]":
    """What may stand before a line, and may be nothing: an envelope, what syslog puts first."""
    return _compiled(f"(?:{ENVELOPE})?(?:{SYSLOG})?")


def _compiled(text: str) -> "re.Pattern[bytes]":
    return re.compile(for_re(text, OTHERS).encode("latin-1"))


def _by_text(place: Place) -> dict[bytes, Level]:
    spelled = {text: level for level, texts in place.table.items() for text in texts}
    if place.any_case:
        spelled |= {text.lower(): level for text, level in spelled.items()}
    return {text.encode(): level for text, level in spelled.items()}
