"""Which lines a filter wants, of batches of any kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.filters.filter import Filter, Selection
from server.logs.lines import LineBatch, LineSplitter
from server.logs.position import START

MAX_LINE = 8192


def batches(
    *pieces: bytes, is_unfinished: bool = False, max_line: int = MAX_LINE
) -> list[LineBatch]:
    """What a log gives whose bytes come in these pieces, shown unfinished after each if wanted."""
    splitter = LineSplitter(START, b"", max_line)
    made: list[LineBatch] = []
    for piece in pieces:
        made += splitter.feed(piece)
        if is_unfinished:
            made += splitter.finish(is_unfinished=True)
    return made + splitter.finish()


def wanted(wish: Filter, *made: LineBatch) -> list[bytes]:
    selection = Selection(wish, MAX_LINE)
    return [part.lines for batch in made for part in selection.parts(batch)]


TEXT = b"one\ntwo\nthree\ntwo three\nfour\n"


@pytest.mark.parametrize(
    ("wish", "lines"),
    [
        (Filter(("two",)), [b"two\n", b"two three\n"]),
        (Filter(("two", "three")), [b"two three\n"]),
        (Filter(("t",)), [b"two\nthree\ntwo three\n"]),  # in one piece
        (Filter(("two",), invert=True), [b"one\n", b"three\n", b"four\n"]),
        (Filter(("two", "three"), invert=True), [b"one\ntwo\nthree\n", b"four\n"]),
        (Filter(("TWO$",), ignore_case=True), [b"two\n"]),
        (Filter(("x",)), []),
        (Filter(("x",), invert=True), [TEXT]),
    ],
)
def test_the_lines_that_are_wanted_come_in_pieces(wish: Filter, lines: list[bytes]) -> None:
    assert wanted(wish, *batches(TEXT)) == lines


def test_a_line_that_goes_on_is_looked_at_as_a_whole() -> None:
    """Of one that is found only with its rest, the rest comes."""
    made = batches(b"a bro", b"ken line\nb\n", is_unfinished=True)
    assert wanted(Filter(("broken",)), *made) == [b"ken line\n"]
    assert wanted(Filter(("bro",)), *made) == [b"a bro", b"ken line\n"]
    assert wanted(Filter(("line|b$",)), *made) == [b"ken line\nb\n"]
    assert wanted(Filter(("broken",), invert=True), *made) == [b"a bro", b"b\n"]
    [rest] = Selection(Filter(("broken",)), MAX_LINE).parts(made[1])
    assert rest.is_continued


def test_an_unfinished_line_stays_unfinished() -> None:
    [batch] = Selection(Filter(("b",)), MAX_LINE).parts(batches(b"a\nb", is_unfinished=True)[1])
    assert (batch.lines, batch.is_unfinished) == (b"b", True)
    [first, _] = batches(b"a\nb", is_unfinished=True)
    assert not any(part.is_unfinished for part in Selection(Filter(("a",)), MAX_LINE).parts(first))


@pytest.mark.parametrize("length", [MAX_LINE, MAX_LINE + 1, 5 * MAX_LINE])
@pytest.mark.parametrize("is_in_pieces", [False, True])
def test_a_long_line_is_searched_as_far_as_it_is_kept(length: int, is_in_pieces: bool) -> None:
    """However its bytes came: a client that comes back gets the same lines."""
    text = b"a needle " + b"x" * (length - 9)
    pieces = [text[:-5], text[-5:], b"\n"] if is_in_pieces else [text + b"\n"]
    made = batches(*pieces)
    is_kept = length <= MAX_LINE
    for pattern, is_found in (("needle", True), ("x$", is_kept), ("^a needle x+$", is_kept)):
        for invert in (False, True):
            assert bool(wanted(Filter((pattern,), invert), *made)) is (is_found is not invert)
    at_the_end = batches(b"x" * length + b"needle\n")
    assert wanted(Filter(("needle",)), *at_the_end) == []


@given(
    st.lists(st.sampled_from([b"a", b"b", b"", b"ab" * 400, b"x" * 3000]), max_size=12),
    st.sampled_from(["a", "b", "x", "^$"]),
    st.booleans(),
    st.integers(0, 8000),
)
def test_each_part_stands_at_its_own_positions(
    lines: list[bytes], pattern: str, invert: bool, skipped: int
) -> None:
    """A client that goes on after any line of a part goes on at that line of the log."""
    text = b"".join(line + b"\n" for line in lines)
    made = batches(b"y" * skipped + b"\n", text, max_line=16384)
    known = {position: line for batch in made for position, line in batch.positions()}
    selection = Selection(Filter((pattern,), invert), MAX_LINE)
    for batch in made:
        for part in selection.parts(batch):
            assert part.start in known or part.start == START
            assert list(part.positions()) == [
                (position, known[position]) for position, _ in part.positions()
            ]
            last, _ = list(part.positions())[-1]
            assert part.end == last
            assert part.length == len(part.lines)
