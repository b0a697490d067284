"""Literal bytes against the specification, and what a conforming parser reads of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sse.event import KEEP_ALIVE, Event, control_event, last_event_id
from tests.event_stream import Parsed, Parser, parse

FRAMES = [
    (Event("hello"), b"data: hello\n\n"),
    (Event(""), b"data: \n\n"),
    (Event(" two spaces"), b"data:  two spaces\n\n"),
    (Event("a\nb"), b"data: a\ndata: b\n\n"),
    (Event("a\r\nb\rc\n"), b"data: a\ndata: b\ndata: c\ndata: \n\n"),
    (Event("a\n\nb"), b"data: a\ndata: \ndata: b\n\n"),
    (Event(": no comment"), b"data: : no comment\n\n"),
    (Event("ação"), b"data: a\xc3\xa7\xc3\xa3o\n\n"),
    (Event("a\u2028b\x85c\x0bd"), b"data: a\xe2\x80\xa8b\xc2\x85c\x0bd\n\n"),
    (Event("\0"), b"data: \0\n\n"),
    (Event("lone \ud800"), b"data: lone \xef\xbf\xbd\n\n"),
    (Event("7", id="7"), b"id: 7\ndata: 7\n\n"),
    (Event("x", id=""), b"id: \ndata: x\n\n"),
    (Event("x", name="add", id="1"), b"event: add\nid: 1\ndata: x\n\n"),
    (Event(retry=3000), b"retry: 3000\n\n"),
    (Event("x", retry=0), b"retry: 0\ndata: x\n\n"),
]


@pytest.mark.parametrize(("event", "frame"), FRAMES)
def test_an_event_is_these_bytes(event: Event, frame: bytes) -> None:
    assert event.encode() == frame


@pytest.mark.parametrize(
    "fields",
    [{"id": "a\nb"}, {"id": "a\rb"}, {"id": "a\0b"}, {"name": "a\nb"}, {"retry": -1}],
)
def test_what_the_format_cannot_carry_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        Event("x", **fields)  # type: ignore[arg-type]


# The examples of WHATWG HTML, section 9.2.6, with what it says of each.
EXAMPLES = [
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Parsed("YHOO\n+2\n10")]),
    (
        (
            b": test stream\n\ndata: first event\nid: 1\n\n"
            b"data:second event\nid\n\ndata:  third event\n\n"
        ),
        [Parsed("first event", "1"), Parsed("second event"), Parsed(" third event")],
    ),
    (b"data\n\ndata\ndata\n\ndata:", [Parsed(""), Parsed("\n")]),
    (b"data:test\n\ndata: test\n\n", [Parsed("test"), Parsed("test")]),
    (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        [Parsed("73857293", type="add"), Parsed("2153", type="remove")],
    ),
]


@pytest.mark.parametrize(("stream", "events"), EXAMPLES)
def test_the_reference_parser_reads_the_specification_s_examples(
    stream: bytes, events: list[Parsed]
) -> None:
    assert parse(stream) == events


texts = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\r\n: \0")))
ids = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]))
names = ids.filter(bool)


@given(texts, st.none() | ids, st.none() | names)
def test_what_a_parser_reads_is_what_was_written(
    data: str, id: str | None, name: str | None
) -> None:
    read = data.replace("\r\n", "\n").replace("\r", "\n")
    frame = Event(data, id=id, name=name).encode()
    assert parse(KEEP_ALIVE + frame) == [Parsed(read, id or "", name or "message")]


@given(st.lists(texts), st.lists(st.integers(1, 9)))
def test_a_stream_can_be_cut_anywhere(texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(Event(text, id=str(n)).encode() for n, text in enumerate(texts))
    parser, events, rest = Parser(), [], stream
    for cut in cuts:
        events += parser.feed(rest[:cut])
        rest = rest[cut:]
    assert events + parser.feed(rest) == parse(stream)


def test_a_fact_is_a_named_event_with_json() -> None:
    assert control_event("gap", id="0-0-0", bytes=None, why='"ç"') == (
        b'event: gap\nid: 0-0-0\ndata: {"bytes": null, "why": "\\"\\u00e7\\""}\n\n'
    )


@pytest.mark.parametrize(
    ("header", "id"),
    [(None, None), ("", None), ("7", "7"), ("a\xc3\xa7", "aç"), ("\xff", "\ufffd"), (" ", " ")],
)
def test_last_event_id_is_utf8_in_the_header(header: str | None, id: str | None) -> None:
    assert last_event_id(header) == id
