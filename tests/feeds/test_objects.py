"""Lines as JSON objects, with what they say of themselves."""

import json

import pytest

from server.feeds.objects import JsonEncoder
from server.logs.lines import LineSplitter
from server.logs.position import START
from tests.event_stream import parse


def objects(*lines: bytes) -> list[object]:
    """What a stream sends of these lines."""
    [batch] = LineSplitter(START, b"", 8192).feed(b"".join(line + b"\n" for line in lines))
    return [json.loads(event.data) for event in parse(JsonEncoder(8192, "app")(batch).data)]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"no time, no level", {}),
        (b"", {}),
        (
            b"2026-11-27 10:00:00,125 WARN slow",
            {"time": "2026-11-27T10:00:00.125000", "level": "warning"},
        ),
        (
            b"2026-11-27T10:00:00+01:00 [error] no",
            {"time": "2026-11-27T09:00:00Z", "level": "error"},
        ),
        (b'{"ts": 1795773600, "level": "fatal"}', {"time": "2026-11-27T10:00:00Z"}),
        (b"ERROR: no such file", {"level": "error"}),
        (b"  at com.example.Main", {}),
        (b"@4000000037c219bf2ef02e94 up", {"time": "1999-08-24T04:04:05.787493Z"}),
        (b"99999999999999999999 x", {}),
        (b"\xff\xfe", {}),
    ],
)
def test_an_object_has_the_time_and_the_level_that_its_line_names(
    line: bytes, named: dict[str, str]
) -> None:
    [told] = objects(line)
    assert isinstance(told, dict)
    assert (told.pop("log"), told.pop("line")) == ("app", line.decode("utf-8", "replace"))
    if b"fatal" in line:
        named = {**named, "level": "critical"}
    assert told == named


def test_each_line_speaks_for_itself() -> None:
    first, second = objects(b"ERROR: one", b"  the rest")
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert "level" in first
    assert "level" not in second
