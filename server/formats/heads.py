"""What may stand before the level of a line, as pieces of expressions.

A head is read token by token. No token can be a level, nor stretch over one: the first level of a
line counts, and an expression that looks for some levels only never skips another one. In this
way one grammar serves single lines and searches through blocks. See `patterns` for its dialects.
"""

from server.formats.levels import WORDS
from server.formats.patterns import ALPHANUMERIC, ESCAPE, GAP, LOWER, Other

LEVEL_KEYS = frozenset(
    ("level", "lvl", "severity", "priority", "loglevel", "log_level", "log.level", "levelname")
    + ("level_name", "severity_text", "severityText", "@level", "@l", "syslog_severity")
)
"""The keys of JSON and logfmt whose values are levels; case does not matter."""

_SPELLINGS = frozenset(word for words in WORDS.values() for word in words)
_IN_WORDS = ALPHANUMERIC | frozenset("_.$@/#-")
_IN_KEYS = frozenset(map(chr, range(32, 256))) - frozenset('"\\')
_IN_LOGFMT = ALPHANUMERIC | frozenset("_.@-")

OTHERS = {
    "NAME": Other(_SPELLINGS, _IN_WORDS, ALPHANUMERIC | frozenset("/_@$.")),
    "TITLE": Other(_SPELLINGS, _IN_WORDS, LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
    "WORD": Other(_SPELLINGS, _IN_WORDS, LOWER),
    "KEY": Other(LEVEL_KEYS | {"log"}, _IN_KEYS, _IN_KEYS),
    "FIELD": Other(LEVEL_KEYS, _IN_LOGFMT, ALPHANUMERIC | frozenset("_@")),
}
"""Names of programs, hosts and threads, words in lower case, keys of JSON and of logfmt, none of
which is a level, or the key of one."""

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_STAMP = rf"{_MONTH} +\d\d? \d\d:\d\d:\d\d(?:\.\d+)?"

_TIME = (
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:{_MONTH} +\d\d?,? (?:\d{{4}} )?\d\d?:\d\d[\d:.,]*"
    rf"|\d\d?[-/ ]{_MONTH}[-/ ]\d{{2,4}}[ :T]\d\d?:\d\d[\d:.,]*"
    r"|\d[\dT./_-]*:\d[\dTZ:.,/+-]*"
    r"|\d{1,4}[-/.]\d\d?(?:[-/.]\d{1,4})?[T ]+\d\d?:\d\d[\dZ:.,+-]*"
    r"|\d{6,20}(?:\.\d+)?|\d{4}/\d{6}(?:\.\d+)?)"
)
"""Digits that stand where those of a time do; which time it is does not matter."""

_RUN = r"[\d \t,;:|>\])}./+#_-]*"
_ZONE = r"(?:[A-Z]{2}|[A-Z]{1,2}[SD]?T|UTC|MSK|[ap]m|std(?:out|err) [FP])"
_SEPARATOR = r"[ \t,;:|>\])}-]"

_NUMBERS = r"\d[\da-fx.:#/TZ+, _-]*"
_THREAD = r"[^\n\[\]]*(?:\[[^\n\[\]]*\][^\n\[\]]*)*"
_AFTER_COLON = rf"(?:<<NAME>>(?:[^\n\w.$/@#\[\]-]{_THREAD})?|[^\n\w.$/@#\[\]-]{_THREAD})?"
_SQUARE = (
    rf"\[(?: *(?:<<NAME>>(?::{_AFTER_COLON}|[^\n\w.$/@#:\[\]-]{_THREAD}|\[{_THREAD}\]{_THREAD})?"
    rf"|[^\n\w.$/@#\[\]\x1b \t-]{_THREAD}|-{_THREAD}|{_NUMBERS}))?\]"
)
_BRACKETS = (
    rf"(?:{_SQUARE}|\(<<NAME>>(?:[^\n\w.$/@#()-][^\n()]*)?\)|\{{[\w./-]+:\d+\}}|<[\d.]+>)"
)
"""Brackets that hold no level: a thread, a module, numbers, whatever comes after another word."""

_SKIPPED = rf"(?>{_RUN}(?:(?:{_ZONE}{_SEPARATOR}|{_MONTH}{_SEPARATOR}|{_BRACKETS}|{ESCAPE}){_RUN})*)"

TIMED = rf"(?>{GAP}*[\[(<]?{_TIME}{_SKIPPED})"
"""A time at the start of a line and what follows it: numbers, zones, threads in brackets."""

NAMED = rf"<<WORD>>(?:[ \t|]|{ESCAPE}){_SKIPPED}"
"""One more word, such as the name of a logger."""

START = rf"(?>(?:{ESCAPE}){{0,3}} ?(?:{_BRACKETS}{GAP}*)*(?:{ESCAPE})?)"
"""The start of a line without a time."""

PLACE = r"[\w./+-]+(?::\d+){1,2}: (?:fatal )?"
"""A place in a source file, as compilers write it."""

PROGRAM = r"<<NAME>>(?:\[\d+\])?: +"

_ALERT = r"(?:-|[A-Z_]{3,20}) \d{10} \d{4}\.\d\d\.\d\d \S+ "
"""What stands first in logs of supercomputers: an alert or none, seconds, the day, the node."""

SYSLOG = (
    rf"(?>(?:{_ALERT})?(?:{_STAMP}|{_ISO}) <<NAME>> <<NAME>>(?:\(\w+\))?(?:\[\d+\])?: +)"
)
"""What syslog and the journal put before a message."""

ENVELOPE = (
    rf"(?>{_ISO} std(?:out|err) [FP] "
    r'|\{"log":"'
    rf"|(?:{ESCAPE})?<<TITLE>> *(?:{ESCAPE})*\| (?:{ESCAPE})*"
    r"|[A-Za-z/_][\w./-]*\.log[\w.:-]* )"
)
"""The envelopes of CRI and docker, the names of docker compose, and the file's name before it."""

KLOG_TIME = r"\d{4}(?:\d{4})? \d\d:\d\d:\d\d[.,]\d+ "
LOGCAT_TIME = r"(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,9} +"
REDIS = (
    rf"(?:\d+:[XCSM] \d\d? {_MONTH} \d{{4}}|\[\d+\] \d\d? {_MONTH}) \d\d:\d\d:\d\d\.\d{{3}} "
)
MYSQL = rf"{_ISO} \d+ "
MONGO = rf"{_ISO} "
BGL = rf"{_ALERT}\d{{4}}-\d\d-\d\d-\S+ \S+ [A-Z]+ [A-Z]+ "
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
