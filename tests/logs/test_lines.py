"""From a log's bytes to batches of lines: rules that hold however the bytes are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.logs.lines import HOLE, MOST_LINES, LineBatch, LineSplitter, lines_before
from server.logs.position import CONTEXT, START, Position

MAX_LINE = 8192


def position(log: bytes, offset: int) -> Position:
    found = Position.at(offset, lambda at, length: log[at : at + length])
    assert found
    return found


def split(log: bytes, start: Position = START, cuts: tuple[int, ...] = ()) -> list[LineBatch]:
    splitter = LineSplitter(start, log[max(0, start.offset - CONTEXT) : start.offset], MAX_LINE)
    batches, at = [], start.offset
    for cut in (*cuts, len(log)):
        batches += splitter.feed(log[at : at + cut])
        at += cut
    batches += splitter.finish()
    assert splitter.taken == splitter.position.offset == len(log)
    return batches


def lines_of(batches: list[LineBatch]) -> list[tuple[Position, bytes]]:
    return [line for batch in batches for line in batch.positions()]


lines = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.binary(min_size=7000, max_size=20000),
        st.integers(1, 20000).map(lambda count: b"\0" * count + b"text"),
    )
)


@settings(deadline=None)
@given(lines, st.lists(st.integers(1, 9000)).map(tuple), st.data())
def test_lines_do_not_depend_on_how_the_bytes_come_in(
    lines: list[bytes], cuts: tuple[int, ...], data: st.DataObject
) -> None:
    log = b"\n".join(lines)
    whole = lines_of(split(log))
    assert lines_of(split(log, START, cuts)) == whole
    ends = [at + 1 for at, byte in enumerate(log) if byte == ord("\n")]
    if log and not log.endswith(b"\n"):
        ends.append(len(log))
    assert [end for end, _ in whole] == [position(log, end) for end in ends]
    if whole:
        index = data.draw(st.integers(0, len(whole) - 1))
        assert lines_of(split(log, whole[index][0], cuts)) == whole[index + 1 :]


@settings(deadline=None)
@given(lines, st.lists(st.integers(1, 9000)).map(tuple))
def test_each_batch_begins_where_the_one_before_ends(
    lines: list[bytes], cuts: tuple[int, ...]
) -> None:
    log = b"\n".join(lines)
    at = START
    for batch in split(log, START, cuts):
        assert batch.start == at
        assert batch.before == log[max(0, at.offset - CONTEXT) : at.offset]
        assert batch.end == position(log, at.offset + batch.length)
        at = batch.end


@pytest.mark.parametrize("line", [b"\n", b"x\n", b"x" * 300 + b"\n"])
def test_a_batch_has_a_bounded_number_of_lines(line: bytes) -> None:
    log = line * (3 * MOST_LINES + 5)
    batches = split(log)
    assert b"".join(batch.lines for batch in batches) == log
    counts = [batch.lines.count(b"\n") for batch in batches]
    assert max(counts) <= MOST_LINES
    assert min(counts[:-1]) > MOST_LINES // 4


@pytest.mark.parametrize("count", [1, len(HOLE) - 1, len(HOLE), 5000, 1_000_000])
@pytest.mark.parametrize("before", [b"", b"first\n"])
@pytest.mark.parametrize("cut", [7, 100_000])
def test_a_hole_before_a_line_is_left_out(count: int, before: bytes, cut: int) -> None:
    log = before + b"\0" * count + b"text\nnext\n"
    batches = split(log, START, (cut,) * (len(log) // cut if cut > 10 else 200))
    [line] = [batch for batch in batches if b"text" in batch.lines]
    if count >= len(HOLE):
        assert (line.hole, line.lines) == (count, b"text\n")
    else:
        assert line.hole == 0
        assert b"\0" * count + b"text\n" in line.lines
    assert lines_of(batches)[-1] == (position(log, len(log)), b"next\n")


def test_a_line_can_be_shown_before_it_is_finished_and_goes_on_after_that() -> None:
    splitter = LineSplitter(START, b"", MAX_LINE)
    assert splitter.feed(b"one\ntwo") == split(b"one\n")
    assert splitter.has_unfinished
    [shown] = splitter.finish(is_unfinished=True)
    assert (shown.lines, shown.is_unfinished, shown.is_continued) == (b"two", True, False)
    assert not splitter.has_unfinished
    [rest] = splitter.feed(b" and more\nthree\n")
    assert (rest.lines, rest.is_continued) == (b" and more\nthree\n", True)
    assert (rest.start, rest.end) == (shown.end, position(b"one\ntwo and more\nthree\n", 23))
    assert not splitter.feed(b"four\n")[0].is_continued


@pytest.mark.parametrize(
    ("line", "held"),
    [
        (b"caf\xc3", 1),
        (b"\xe2\x82", 2),  # nothing but the beginning of a euro sign
        (b"x\xf0\x9f\x98", 3),
        (b"x\xf0\x9f\x98\x80", 0),
        ("café".encode(), 0),
        (b"\xff\xe2", 1),
        (b"x\xa9", 0),  # goes on with a character that never began
        (b"x\xc0", 0),
        (b"x\xed\xa0", 0),  # a surrogate is no character
        (b"x\xf5", 0),
    ],
)
def test_a_character_that_is_not_complete_is_held_back_until_more_comes(
    line: bytes, held: int
) -> None:
    log, shown = b"one\n" + line, len(line) - held
    splitter = LineSplitter(START, b"", MAX_LINE)
    splitter.feed(log)
    assert splitter.has_unfinished is bool(shown)
    parts = splitter.finish(is_unfinished=True)
    assert [part.lines for part in parts] == [line[:shown]] * bool(shown)
    assert not splitter.has_unfinished
    assert splitter.finish(is_unfinished=True) == []
    assert splitter.position == position(log, len(log) - held)
    assert (splitter.taken, splitter.last_bytes) == (len(log), log)
    [rest] = splitter.feed(b"\xa9 fim\n")
    assert (rest.lines, rest.is_continued) == (line[shown:] + b"\xa9 fim\n", bool(shown))
    assert rest.end == position(log + b"\xa9 fim\n", len(log) + 6)


def test_all_of_a_line_that_does_not_go_on_is_shown() -> None:
    splitter = LineSplitter(START, b"", MAX_LINE)
    splitter.feed(b"caf\xc3")
    assert [part.lines for part in splitter.finish(is_unfinished=True)] == [b"caf"]
    assert [part.lines for part in splitter.finish()] == [b"\xc3"]


def test_what_is_kept_of_a_long_line_is_bounded() -> None:
    splitter = LineSplitter(START, b"", MAX_LINE)
    for _ in range(1000):
        assert splitter.feed(b"x" * 10_000) == []
    assert splitter.taken == 10_000_000
    [batch] = splitter.feed(b"\n")
    assert (len(batch.lines), batch.length) == (MAX_LINE + 1, 10_000_001)


@pytest.mark.parametrize(
    ("log", "lines", "rest"),
    [
        (b"", 1, b""),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\nc\n", 1, b"c\n"),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"a\nb\nhalf", 0, b"half"),
        (b"a\nb\nhalf", 1, b"half"),
        (b"a\nb\nhalf", 2, b"b\nhalf"),
        (b"x" * 300_000 + b"\ny\n", 1, b"y\n"),
        (b"\n" * 300_000, 200_000, b"\n" * 200_000),
    ],
)
def test_the_last_lines_begin_there(log: bytes, lines: int, rest: bytes) -> None:
    start = lines_before(lambda at, length: log[at : at + length], len(log), lines)
    assert log[start:] == rest
