"""From batches of lines to frames: literal bytes."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.logs.encoding import TextEncoder
from server.logs.lines import LineSplitter
from server.logs.position import CONTEXT, START, Position
from server.sse.event import END
from tests.event_stream import Parsed, parse
from tests.logs.test_lines import MAX_LINE, lines, position


def encode(log: bytes, start: Position = START, cuts: tuple[int, ...] = ()) -> bytes:
    splitter = LineSplitter(start, log[max(0, start.offset - CONTEXT) : start.offset], MAX_LINE)
    batches, at = [], start.offset
    for cut in (*cuts, len(log)):
        batches += splitter.feed(log[at : at + cut])
        at += cut
    frames = [TextEncoder(MAX_LINE)(batch) for batch in (*batches, *splitter.finish())]
    for data, events in frames:
        assert events == data.count(END)
    return b"".join(data for data, _ in frames)


def test_a_line_is_this_frame() -> None:
    assert encode(b"hello\n") == b"id: 6-363a3020-363a3020\ndata: hello\n\n"


@pytest.mark.parametrize(
    ("line", "data"),
    [
        (b"hello", "hello"),
        (b"", ""),
        (b" indented", " indented"),
        (b"100 %d %", "100 %d %"),
        (b"dos\r", "dos"),
        (b"10 %\r20 %\r", "10 %\n20 %"),
        (b"a\r\rb", "a\n\nb"),
        (b"\r", ""),
        (b"a\xc3\xa7\xc3\xa3o", "ação"),
        (b"latin-1: a\xe7\xe3o", "latin-1: a\ufffd\ufffdo"),
        (b"\xff\xfeh\0i\0", "\ufffd\ufffdh\0i\0"),
        (b"nul \0 here", "nul \0 here"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        (b"\xef\xbb\xbfbom", "\ufeffbom"),
        ("a\u2028b\u2029c\x85".encode(), "a\u2028b\u2029c\x85"),
        (b"data: x", "data: x"),
        (b"<b>&amp;</b>", "<b>&amp;</b>"),
        (b"surrogate \xed\xa0\x80", "surrogate \ufffd\ufffd\ufffd"),
    ],
)
def test_a_client_reads_this_of_a_line(line: bytes, data: str) -> None:
    log = b"before\n" + line + b"\nafter\n"
    assert [event.data for event in parse(encode(log))] == ["before", data, "after"]
    assert encode(log[:-7])[-2:] == b"\n\n"
    assert parse(encode(line))[-1:] == (
        [Parsed(data, str(position(line, len(line))))] if line else []
    )


@settings(deadline=None)
@given(lines, st.lists(st.integers(1, 9000)).map(tuple), st.data())
def test_frames_do_not_depend_on_how_the_bytes_come_in(
    lines: list[bytes], cuts: tuple[int, ...], data: st.DataObject
) -> None:
    log = b"\n".join(lines)
    whole = encode(log)
    assert encode(log, START, cuts) == whole
    ids = [Position.parse(id.decode()) for id in re.findall(rb"^id: (.*)$", whole, re.MULTILINE)]
    if ids:
        start = data.draw(st.sampled_from(ids))
        assert start
        after = encode(log, start, cuts)
        assert whole.endswith(after)
        assert after.count(b"id: ") + ids.index(start) + 1 == len(ids)


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 10 * MAX_LINE])
@pytest.mark.parametrize("cut", [100, MAX_LINE, 10**6])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_long_line_is_clipped_and_says_so(length: int, cut: int, end: bytes) -> None:
    log = b"first\n" + b"x" * length + end
    cuts = tuple([cut] * (len(log) // cut))
    events = parse(encode(log, START, cuts))
    id = str(position(log, len(log)))
    sent = min(length, MAX_LINE)
    assert events[-1] == Parsed("x" * sent, id)
    clipped = Parsed(f'{{"line": "{id}", "length": {length}, "sent": {sent}}}', type="clipped")
    assert [event._replace(id="") for event in events[1:-1]] == [clipped] * (length > MAX_LINE)


def test_a_clipped_line_is_not_cut_within_a_character() -> None:
    log = b"x" * (MAX_LINE - 1) + "ç€😀".encode() * 10 + b"\n"
    for shift in range(4):
        data = parse(encode(b"x" * shift + log))[-1].data
        assert "\ufffd" not in data
        assert MAX_LINE - 4 < len(data.encode()) <= MAX_LINE


def test_a_hole_is_told_before_the_line_that_follows_it() -> None:
    log = b"first\n" + b"\0" * 5000 + b"text\nnext\n"
    events = parse(encode(log))
    id = str(position(log, 5011))
    assert [event.data for event in events if event.type == "message"] == ["first", "text", "next"]
    assert json.loads(events[1].data) == {"line": id, "bytes": 5000}
    assert (events[1].type, events[2].id) == ("hole", id)


def test_a_hole_at_the_end_of_a_file_is_no_line() -> None:
    log = b"first\n" + b"\0" * 5000
    first, hole = parse(encode(log))
    assert (first.data, hole.type) == ("first", "hole")
    assert json.loads(hole.data) == {"line": str(position(log, 5006)), "bytes": 5000}


def test_a_hole_at_the_end_of_a_log_is_no_unfinished_line() -> None:
    """No message follows: else a client takes the next line for a part of one."""
    splitter = LineSplitter(START, b"", MAX_LINE)
    splitter.feed(bytes(100))
    [batch] = splitter.finish()
    shown = batch._replace(is_unfinished=True)  # as one that is read back at the live end
    assert [event.type for event in parse(TextEncoder(MAX_LINE)(shown).data)] == ["hole"]


def test_a_line_that_is_shown_in_two_parts_says_so_before_each() -> None:
    splitter, encoder = LineSplitter(START, b"", MAX_LINE), TextEncoder(MAX_LINE)
    log = b"half a line\n"
    middle, end = str(position(log, 6)), str(position(log, 12))
    assert splitter.feed(log[:6]) == []
    [first] = splitter.finish(is_unfinished=True)
    [rest] = splitter.feed(log[6:])
    assert parse(encoder(first).data) == [
        Parsed(f'{{"line": "{middle}"}}', type="unfinished"),
        Parsed("half a", middle),
    ]
    assert parse(encoder(rest).data) == [
        Parsed(f'{{"line": "{end}", "from": "{middle}"}}', type="continued"),
        Parsed(" line", end),
    ]
