"""The places where the level of a line stands: for one line, and for blocks of many lines."""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from server.formats import heads
from server.formats.levels import (
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
_SYSTEM: Table = {Level.INFO: ("System",)}

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

    before: str
    places: tuple[Place, ...]


def _in_json(pairs: str, quote: str) -> Head:
    """The places in JSON with these quotes."""
    key = any_case(heads.LEVEL_KEYS)
    graded = any_case(("priority", "severity", "syslog_severity"))
    to_value = f"{quote} *: *"
    end = r"(?:[ ,}\r]|$)"
    return Head(
        pairs,
        (
            Place(f"{key}{to_value}{quote}", WORDS, quote, any_case=True),
            Place(f"{key}{to_value}", NUMBERS, end),
            Place(f"{graded}{to_value}(?:{quote})?", SEVERITIES, f"(?:{quote}|{end})"),
            Place(f"log{to_value}{pairs}level{to_value}{quote}", WORDS, quote, any_case=True),
        ),
    )


_LOGFMT = Place(
    f'{heads.LOGFMT}{any_case(heads.LEVEL_KEYS)}=(?:\\\\?")?',
    WORDS,
    r'(?:[ "\\\r]|$)',
    any_case=True,
)
_BARE = Place("", WORDS, _END_OF_HEAD)
_IN_BRACKETS = Place(_OPEN, WORDS, _CLOSE, any_case=True)

_HEADS = (
    Head(
        heads.TIMED,
        (
            _BARE,
            _IN_BRACKETS,
            Place("", WORDS, _CLEAR, any_case=True),
            Place(r"\[[\w.-]+:", WORDS, r"\]", any_case=True),
            Place("", WORDS, r" +[\w.-]+ *\[", any_case=True),
            Place(r"[\w-]+\.", WORDS, _COLON),
            _BARE._replace(before=heads.NAMED),
            _IN_BRACKETS._replace(before=heads.NAMED + _OPEN),
            _LOGFMT,
        ),
    ),
    Head(
        heads.START,
        (
            Place("", _STRONG, _END),
            Place(rf"\[{GAP}*", WORDS, rf"{GAP}*\]", any_case=True),
            Place(r"[(<]", WORDS, r"[)>]"),
            Place(rf"(?:{heads.PLACE}|{heads.PROGRAM})?", WORDS, _COLON, any_case=True),
            Place(r"[\w-]+::", WORDS, "::"),
            Place("", _RUST, r"\[\w+\]: "),
        ),
    ),
    _in_json(heads.JSON, '"'),
    _in_json(heads.ESCAPED_JSON, r'\\"'),
    Head("", (_LOGFMT,)),
    Head("", (Place("", LETTERS, heads.KLOG_TIME),)),
    Head(f"(?:{heads.LOGCAT_TIME})?", (Place("", LETTERS, r"/[^(\n]{1,60}\( *\d+\): "),)),
    Head(heads.LOGCAT_TIME + r"(?:\w+ +)?\d+ +\d+ ", (Place("", LETTERS, " "),)),
    Head("", (Place("", LETTERS, r", \[\d{4}-"), Place("", LETTERS, " " + heads.CUPS))),
    Head(heads.REDIS, (Place("", MARKS, " "),)),
    Head(heads.MONGO, (Place("", LETTERS, r"\d? +[A-Z]{2,}\w* +\["),)),
    Head(r'\{"t":\{[^{}\n]*\}, *"s": *"', (Place("", LETTERS, r'\d?"'),)),
    Head(heads.BGL, (Place("", WORDS, " "),)),
    Head(heads.MYSQL, (Place(r"\[", _SYSTEM, r"\]"),)),
    Head(r"(?:\[[^\[\]\n]*\] )?PHP ", (Place("", _PHP, ": "),)),
    Head("npm ", (Place("", _NPM, " "),)),
    Head("<", (Place("", PRIORITIES, ">"),)),
)


def _pattern(least: Level, group: bool) -> str:
    """All places with a level of at least this one, each with a group around the level if asked."""
    wholes = []
    for head in _HEADS:
        parts = [place.pattern(least, group) for place in head.places]
        if any(parts):
            wholes.append(f"{head.before}(?:{'|'.join(filter(None, parts))})")
    return f"(?m)^(?:{heads.ENVELOPE})?(?:{heads.SYSLOG})?(?:{'|'.join(wholes)})"


@cache
def patterns_at_least(level: Level) -> str:
    """An expression that finds, in a block, each line whose level is at least this one.

    A match begins where its line does and lies within it. It is meant for RE2 with bytes, that is
    with `Options.Encoding.LATIN1`, and works in Python's re, too.
    """
    return for_re2(_pattern(level, group=False), heads.OTHERS)


def any_level() -> str:
    """An expression that finds, in a block, each line that has any level."""
    return patterns_at_least(min(Level))


@cache
def level_pattern() -> tuple["re.Pattern[bytes]", tuple[Mapping[bytes, Level], ...]]:
    """The expression for one line, and for each of its groups the levels by what it holds."""
    tables = []
    for place in (place for head in _HEADS for place in head.places):
        spelled = {text: level for level, texts in place.table.items() for text in texts}
        if place.any_case:
            spelled |= {text.lower(): level for text, level in spelled.items()}
        tables.append({text.encode(): level for text, level in spelled.items()})
    pattern = for_re(_pattern(min(Level), group=True), heads.OTHERS)
    return re.compile(pattern.encode("latin-1")), tuple(tables)
