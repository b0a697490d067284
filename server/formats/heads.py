"""What may stand before the level of a line, as pieces of expressions.

A head is read token by token. No token can be a level, nor stretch over one: the first level of a
line counts, and an expression that looks for some levels only never skips another one. In this
way one grammar serves single lines and searches through blocks. See `patterns` for its dialects.
"""

from server.formats.levels import APACHE, WORDS
from server.formats.patterns import ALPHANUMERIC, ESCAPE, GAP, LETTERS, LOWER, Other

LEVEL_KEYS = frozenset(
    (
        *("level", "lvl", "severity", "priority", "loglevel", "log_level", "log.level"),
        *("levelname", "level_name", "severity_text", "severityText", "@level", "@l"),
        "syslog_severity",
    )
)
"""The keys of JSON and logfmt whose values are levels; case does not matter."""

_SPELLINGS = frozenset(word for words in WORDS.values() for word in words)
_APACHE = frozenset(word for words in APACHE.values() for word in words)
_DATES = frozenset(("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"))
_IN_WORDS = ALPHANUMERIC | frozenset("_.$@/#-")
_IN_KEYS = frozenset(map(chr, range(32, 256))) - frozenset('"\\')
_IN_LOGFMT = ALPHANUMERIC | frozenset("_.@-")

OTHERS = {
    "NAME": Other(_SPELLINGS, _IN_WORDS, ALPHANUMERIC | frozenset("/_@$.")),
    "TITLE": Other(_SPELLINGS | _DATES, _IN_WORDS, LETTERS | frozenset("/_@$.")),
    "WORD": Other(_SPELLINGS, _IN_WORDS, LOWER),
    "MODULE": Other(_APACHE, _IN_WORDS, ALPHANUMERIC | frozenset("/_@$.")),
    "KEY": Other(LEVEL_KEYS | {"log", "s"}, _IN_KEYS, _IN_KEYS),
    "FIELD": Other(LEVEL_KEYS, _IN_LOGFMT, LETTERS | frozenset("_@")),
}
"""Runs that are no level, nor the key of one: names of programs and hosts, words in brackets (which
are no day, for that begins a time), words in lower case, modules of Apache, keys of JSON and of
logfmt. In JSON, `log` is the body of an envelope, and `s` the level of MongoDB."""

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_STAMP = rf"{_MONTH} +\d\d? \d\d:\d\d:\d\d(?:\.\d+)?"

_TIME = (
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:{_MONTH} +\d\d?,? (?:\d{{4}} )?\d\d?:\d\d[\d:.,]*"
    rf"|\d\d?[-/ ]{_MONTH}[-/ ]\d{{2,4}}[ :T]\d\d?:\d\d[\d:.,]*"
    r"|\d[\dT./_-]*:\d[\d:.,/+-]*Z?"
    r"|\d{1,4}[-/.]\d\d?(?:[-/.]\d{1,4})?[T ]+\d\d?:\d\d[\d:.,+-]*Z?"
    r"|\d{6,20}(?:\.\d+)?|\d{4}/\d{6}(?:\.\d+)?)"
)
"""Digits that stand where those of a time do; which time it is does not matter."""

_RUN = r"[\d \t,;:|>\])}./+#_-]*"
_ZONE = r"(?:[A-Z]{1,2}[SD]?T|UTC|MSK|[AP]M|[ap]m|std(?:out|err) [FP])"
_SEPARATOR = r"[ \t,;:|>\])}-]"

_NUMBERS = r"\d[\da-fx.:#/TZ+, _-]*"
_THREAD = r"[^\n\[\]]*(?:\[[^\n\[\]]*\][^\n\[\]]*)*"
_AFTER_COLON = rf"(?:<<MODULE>>(?:[^\n\w.$/@#\[\]-]{_THREAD})?|[^\n\w.$/@#\[\]-]{_THREAD})?"
_SQUARE = (
    rf"\[(?: *(?:<<TITLE>>(?::{_AFTER_COLON}|[^\n\w.$/@#:\[\]-]{_THREAD}|\[{_THREAD}\]{_THREAD})?"
    rf"|[^\n\w.$/@#\[\]\x1b \t-]{_THREAD}|-{_THREAD}|{_NUMBERS}|\d[\w.$/@#-]*))?\]"
)
_BRACKETS = (
    rf"(?:{_SQUARE}|\(<<TITLE>>(?:[^\n\w.$/@#()-][^\n()]*)?\)|\{{[\w./-]+:\d+\}}|<\d+\.[\d.]+>)"
)
"""Brackets that hold no level: a thread, a module, numbers, whatever comes after another word."""

_SKIPPED = (
    rf"(?>{_RUN}(?:(?:{_ZONE}{_SEPARATOR}|{_MONTH}{_SEPARATOR}|{_BRACKETS}|{ESCAPE}){_RUN})*)"
)

TIMED = rf"(?>{GAP}*[\[(<]?{_TIME}{_SKIPPED})"
"""A time at the start of a line and what follows it: numbers, zones, threads in brackets."""

NAMED = rf"<<WORD>>(?:[ \t|]|{ESCAPE})(?>{_RUN}(?:{ESCAPE}{_RUN})*)"
"""One more word, such as the name of a logger."""

START = rf"(?>(?:{ESCAPE}){{0,3}} ?(?:{_BRACKETS}{GAP}*)*(?:{ESCAPE})?)"
"""The start of a line without a time."""

PLACE = r"[\w./+-]+(?::\d+){1,2}: (?:fatal )?"
"""A place in a source file, as compilers write it."""

PROGRAM = r"<<NAME>>(?:\[\d+\])?: +"

_ALERT = (
    r"(?:-|(?:APP|CPU|ECC|KERN|LINK|MASN|MMCS|MONI|MPT|VAPI)[A-Z]*|[A-Z]+_[A-Z_]+)"
    r" \d{10} \d{4}\.\d\d\.\d\d \S+ "
)
"""What stands first in logs of supercomputers: an alert or none, seconds, the day, the node."""

SYSLOG = rf"(?>(?:{_ALERT})?(?:{_STAMP}|{_ISO}) <<NAME>> <<NAME>>(?:\(\w+\))?(?:\[\d+\])?: +)"
"""What syslog and the journal put before a message."""

ENVELOPE = (
    rf"(?>{_ISO} std(?:out|err) [FP] "
    r'|\{"log":"'
    rf"|(?:{ESCAPE})?<<TITLE>> *(?:{ESCAPE})*\| (?:{ESCAPE})*"
    r"|[A-Za-z/_][\w/-]*(?:\.[A-Za-km-z0-9_/-][\w/-]*)*\.log[\w.:-]* )"
)
"""The envelopes of CRI and docker, the names of docker compose, and the file's name before it."""

KLOG_TIME = r"\d{4}(?:\d{4})? \d\d:\d\d:\d\d[.,]\d+ "
LOGCAT_TIME = r"(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,9} +"
REDIS = rf"(?:\d+:[XCSM] \d\d? {_MONTH} \d{{4}}|\[\d+\] \d\d? {_MONTH}) \d\d:\d\d:\d\d\.\d{{3}} "
MONGO = rf"{_ISO} "
BGL = rf"{_ALERT}\d{{4}}-\d\d-\d\d-\S+ \S+ [A-Z]+ [A-Z]+ "
PHP = rf"(?:\[\d\d-{_MONTH}-\d{{4}} [\d:]+ [\w/+-]+\] )?PHP "
LOGCAT_THREADS = r"(?:(?:root|system|shell|radio|u\d+_\w+|\d+) +)?\d+ +\d+ "
MONOLOG = rf"\[{_ISO}\] [\w-]+\."
MONGO_JSON = r'\{"t":\{[^{}\n]*\}, *"s": *"'
CUPS = rf"\[\d\d/{_MONTH}/"

_STRING = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_ESCAPED = r'\\"[^"\\\n]*(?:\\\\(?:\\"|\\\\|[^\\"\n])[^"\\\n]*)*\\"'


def _pairs(quote: str, string: str) -> str:
    """Pairs of an object that are no levels, each with its comma, and the quote of the next key."""
    other = r'[^{}\[\]"\\\n]*'
    value = string
    for _ in range(3):
        value = rf"(?:{string}|[{{\[]{other}(?:{value}{other})*[}}\]])"
    pair = rf"{quote}<<KEY>>{quote} *: *(?:{value}|[\w.+-]+) *, *"
    return rf"\{{ *(?>(?:{pair})*){quote}"


JSON = _pairs('"', _STRING)
ESCAPED_JSON = _pairs(r"\\" + '"', _ESCAPED)
"""The same within a string of JSON, as docker writes it."""

LOGFMT = rf'(?>(?:<<FIELD>>=(?:{_STRING}|\\"[^"\\\n]*\\"|[^ "\\\n]*) +)*)'
