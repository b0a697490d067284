"""Entries of the journal become lines."""

import json
from typing import Any

import pytest

from server.sources.journal_entry import LONGEST_MESSAGE, Entry, parse

TIME = "1795985872973233"
HEAD = b"2026-11-29T20:57:52.973233+00:00 "


def entry(**fields: Any) -> bytes:
    return json.dumps({"__CURSOR": "c", "__REALTIME_TIMESTAMP": TIME, **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"SYSLOG_IDENTIFIER": "nginx", "_PID": "12", "PRIORITY": "4", "MESSAGE": "slow"},
            b"WARNING nginx[12]: slow\n",
        ),
        ({"_COMM": "app", "MESSAGE": "no priority"}, b"INFO app: no priority\n"),
        ({"_TRANSPORT": "kernel", "PRIORITY": "0", "MESSAGE": "oh"}, b"EMERG kernel: oh\n"),
        ({"SYSLOG_IDENTIFIER": "a", "SYSLOG_PID": "7", "PRIORITY": "9"}, b"INFO a[7]: \n"),
        ({"MESSAGE": "a\nb\r\n  c\n"}, b"INFO unknown: a\n    b\n      c\n"),
        ({"MESSAGE": [27, 91, 49, 109, 255, 10, 0]}, b"INFO unknown: \x1b[1m\xff\n    \\0\n"),
        ({"MESSAGE": ["first", "second"]}, b"INFO unknown: first\n"),
        ({"MESSAGE": [[104, 105], "second"]}, b"INFO unknown: hi\n"),
        ({"MESSAGE": None}, b"INFO unknown: \n"),
        ({"MESSAGE": "\ud800é"}, "INFO unknown: ?é\n".encode()),
        ({"SYSLOG_IDENTIFIER": "a\nb", "MESSAGE": "x"}, b"INFO a?b: x\n"),
        (
            {"MESSAGE": "x" * (LONGEST_MESSAGE + 5)},
            b"INFO unknown: " + b"x" * LONGEST_MESSAGE + b" (5 bytes more)\n",
        ),
    ],
)
def test_text(fields: dict[str, Any], text: bytes) -> None:
    assert parse(entry(**fields)) == Entry("c", HEAD + text)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"-- No entries --",
        b"{",
        b"[]",
        b"3",
        b'"text"',
        b"{}",
        b'{"__CURSOR": "c"}',
        b'{"__CURSOR": 3, "__REALTIME_TIMESTAMP": "1"}',
        b'{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "x"}',
        b'{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "999999999999999999999"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_entry(line: bytes) -> None:
    assert parse(line) is None
