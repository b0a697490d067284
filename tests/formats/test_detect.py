"""The level of lines of unknown format."""

import pytest

from server.formats.detect import level_of
from server.formats.levels import Level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b"2026-11-27 10:00:00 INFO the word ERROR does not count", Level.INFO),
        (b"INFO: error: this neither", Level.INFO),
        (b"[INFO] [ERROR] nor this", Level.INFO),
        (b"[INFO] BUILD FAILURE", Level.INFO),
        (b"[main] ERROR the thread comes first", Level.ERROR),
        (b"Error: cannot open the file", Level.ERROR),
        (b"error: cannot open the file", Level.ERROR),
        (b"fatal: not a git repository", Level.CRITICAL),
        (b"panic: runtime error", Level.CRITICAL),
        (b"ERROR 1045 (28000): Access denied", Level.ERROR),
        (b"a.c:12:5: error: expected ';'", Level.ERROR),
        (b"src/a.c:12: warning: unused", Level.WARNING),
        (b"error[E0308]: mismatched types", Level.ERROR),
        (b"npm ERR! code ENOENT", Level.ERROR),
        (b"npm warn deprecated", Level.WARNING),
        (b"postfix/smtpd[12]: warning: hostname", Level.WARNING),
        (b"10:00:00 INF up", Level.INFO),
        (b"[10:00:00 WRN] slow", Level.WARNING),
        (b"10:00AM ERR no", Level.ERROR),
        (b"info: Microsoft.Hosting.Lifetime[14]", Level.INFO),
        (b"fail: Microsoft.Hosting.Lifetime[14]", Level.ERROR),
        (b"\x1b[31mERROR\x1b[0m no", Level.ERROR),
        (b"\x1b[2m2026-11-27T10:00:00Z\x1b[0m \x1b[32m INFO\x1b[0m up", Level.INFO),
        (b"2026-11-27T10:00:00Z [\x1b[33mwarn\x1b[0m] slow", Level.WARNING),
        (b'{"log":"\\u001b[31mERROR\\u001b[0m no\\n","stream":"stderr"}', Level.ERROR),
        (b"INFO\r", Level.INFO),
        (b"WARN", Level.WARNING),
        (b" INFO padded to five letters", Level.INFO),
        (b"MainThread::ERROR::2026-11-27 10:00:00,300::vdsm", Level.ERROR),
        (b"level=error", Level.ERROR),
        (b'level="warn" msg=x', Level.WARNING),
        (b'{"level": 40}', Level.WARNING),
        (b'{"level":"ERROR"', Level.ERROR),  # cut off
        (b'{"PRIORITY":"2"}', Level.CRITICAL),
        (b'{"severity":"NOTICE"}', Level.NOTICE),
        (b'{"Level":"Warning"}', Level.WARNING),
        (b"errors=0", None),
        (b"2026-11-27 10:00:00 done, errors=0", None),
        (b"log_level_changed=error", None),
        (b"0 errors, 3 warnings", None),
        (b"5 ERROR lines were found", None),
        (b"No ERROR here", None),
        (b"2026-11-27 10:00:00 Got ERROR from the peer", None),
        (b"2026-11-27 10:00:00 a long message with an ERROR in it", None),
        (b"ERROR_CODE is a constant", None),
        (b"ERRORS: none", None),
        (b"Errors: none", None),
        (b"error handling was improved", None),
        (b"Info about this program", None),
        (b"NOTE that this is prose", None),
        (b"FINE weather", None),
        (b"ALERT the others", None),
        (b"NOTE: that this is none", Level.INFO),
        (b"Traceback (most recent call last):", None),
        (b'  File "a.py", line 1, in error', None),
        (b"    raise ERROR", None),
        (b"\tat org.example.Error.run(Error.java:7)", None),
        (b"Caused by: java.lang.Error: ERROR", None),
        (b"ValueError: no", None),
        (b'{"errors":0}', None),
        (b'{"msg":"level: error"}', None),
        (b'{"msg":"\\"level\\":\\"error\\""}', None),
        (b'{"a":{"level":"error"}}', None),
        (b'{"a":[{"level":"error"}],"level":"info"}', Level.INFO),
        (b'{"level":3}', None),  # whose numbers these are cannot be known
        (b'{"level":"loud"}', None),
        (b"<html>", None),
        (b"<999>no priority", None),
        (b"", None),
        (b"\n", None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_a_line_has_this_level(line: bytes, level: Level | None) -> None:
    assert level_of(line) == level


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 20_000,
        b"{" * 20_000,
        b'{"a":' * 20_000,
        b'{"a":"' + b'\\"' * 50_000,
        b'{"a":1,' * 20_000,
        b"a=b " * 50_000,
        b"10:00:00 " * 20_000,
        b"2026-11-27 10:00:00 " + b"[a] " * 20_000,
        b"\x1b[0m" * 20_000,
        b"a" * 200_000,
        b"a.log" * 50_000,
    ],
    ids=range(11),
)
def test_no_line_takes_long(line: bytes) -> None:
    """Each of them would take hours if a token could be read in two ways."""
    assert level_of(line) is None
