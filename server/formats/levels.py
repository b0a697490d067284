"""The levels of lines, and how programs spell them.

There are as many levels as filters can tell apart in practice: those of Python's logging, with its
numbers, TRACE below DEBUG, and NOTICE between INFO and WARNING, as syslog(3) has it. What is worse
than critical (alert, emergency, panic, fatal) is CRITICAL: nobody asks for less than all of these.
"""

from enum import IntEnum


class Level(IntEnum):
    """How grave a line is; the numbers are those of Python's logging."""

    TRACE = 5
    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


WORDS: dict[Level, tuple[str, ...]] = {
    Level.TRACE: ("TRACE", "TRAC", "TRC", "TRCE", "FINER", "FINEST", "VERBOSE", "VERB", "VRB"),
    Level.DEBUG: (
        *("DEBUG", "DEBU", "DBG", "DBUG", "FINE", "CONFIG"),
        *("DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5"),
    ),
    Level.INFO: ("INFO", "INF", "INFORMATION", "INFORMATIONAL", "LOG", "NOTE"),
    Level.NOTICE: ("NOTICE", "SUCCESS"),
    Level.WARNING: ("WARNING", "WARN", "WRN"),
    Level.ERROR: ("ERROR", "ERR", "ERRO", "SEVERE", "FAIL"),
    Level.CRITICAL: (
        *("CRITICAL", "CRIT", "FATAL", "FATA", "FTL", "ALERT", "EMERG", "EMERGENCY"),
        *("PANIC", "PANI", "PNC", "DPANIC"),
    ),
}
"""Words, in upper case: those of log4j, java.util.logging, Python, Go, Rust, .NET, PostgreSQL,
syslog(3) and loguru. Case is a matter of the place where one stands."""

WEAK = frozenset(("CONFIG", "FINE", "LOG", "NOTE", "SUCCESS", "ALERT", "FAIL", "INFORMATION"))
"""Words that begin sentences, too: at the start of a line they need a colon or brackets."""

LETTERS: dict[Level, tuple[str, ...]] = {
    Level.TRACE: ("V", "T"),
    Level.DEBUG: ("D",),
    Level.INFO: ("I",),
    Level.NOTICE: ("N",),
    Level.WARNING: ("W",),
    Level.ERROR: ("E",),
    Level.CRITICAL: ("F", "C"),
}
"""The single letters of klog, glog, Android, CUPS and Ruby."""

MARKS: dict[Level, tuple[str, ...]] = {
    Level.DEBUG: (".",),
    Level.INFO: ("-",),
    Level.NOTICE: ("*",),
    Level.WARNING: ("#",),
}
"""The marks of Redis: debug, verbose, notice, warning."""

SEVERITIES: dict[Level, tuple[str, ...]] = {
    Level.DEBUG: ("7",),
    Level.INFO: ("6",),
    Level.NOTICE: ("5",),
    Level.WARNING: ("4",),
    Level.ERROR: ("3",),
    Level.CRITICAL: ("0", "1", "2"),
}
"""The severities of syslog(3), which are the journal's priorities."""

APACHE: dict[Level, tuple[str, ...]] = {
    Level.TRACE: tuple(f"trace{number}" for number in range(1, 9)),
    Level.DEBUG: ("debug",),
    Level.INFO: ("info",),
    Level.NOTICE: ("notice",),
    Level.WARNING: ("warn",),
    Level.ERROR: ("error",),
    Level.CRITICAL: ("crit", "alert", "emerg"),
}
"""What Apache puts after the name of a module."""

PRIORITIES: dict[Level, tuple[str, ...]] = {
    level: tuple(str(8 * facility + int(text)) for text in texts for facility in range(24))
    for level, texts in SEVERITIES.items()
}
"""The numbers in angle brackets before a message of syslog: eight for each facility."""

NUMBERS: dict[Level, tuple[str, ...]] = {
    Level.TRACE: ("10",),
    Level.DEBUG: ("20",),
    Level.INFO: ("30",),
    Level.WARNING: ("40",),
    Level.ERROR: ("50",),
    Level.CRITICAL: ("60",),
}
"""The numbers of pino and bunyan."""

_BY_WORD = {word: level for level, words in WORDS.items() for word in words}


def parse_level(text: str) -> Level:
    """The level with this name, in any spelling and case. Raises ValueError for another text."""
    level = _BY_WORD.get(text.strip().upper())
    if level is None:
        known = ", ".join(level.name.lower() for level in Level)
        raise ValueError(f"{text!r} is no level: known are {known}, and their usual spellings")
    return level
