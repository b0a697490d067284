"""Bytes in any pieces become whole lines, none longer than the bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sources.whole_lines import WholeLines


@pytest.mark.parametrize(
    ("pieces", "lines", "rest"),
    [
        ([b""], [b""], b""),
        ([b"one\n"], [b"one\n"], b""),
        ([b"one\ntwo\nth", b"ree\n"], [b"one\ntwo\n", b"three\n"], b""),
        ([b"o", b"n", b"e"], [b"", b"", b""], b"one\n"),
        ([b"\n\n"], [b"\n\n"], b""),
        ([b"0123456789"], [b""], b"0123456789\n"),
        ([b"0123456789", b"\n"], [b"", b"0123456789\n"], b""),
        ([b"0123456789", b"ab\nc"], [b"", b"0123456789\nab\n"], b"c\n"),
        ([b"01234", b"567\n89\n"], [b"", b"01234567\n89\n"], b""),
        ([b"01234567", b"89\n0123"], [b"", b"0123456789\n"], b"0123\n"),
        ([b"01234567", b"89abcdef", b"ghijkl"], [b"", b"0123456789\n", b"abcdefghij\n"], b"kl\n"),
    ],
)
def test_lines(pieces: list[bytes], lines: list[bytes], rest: bytes) -> None:
    whole = WholeLines(longest=10)
    assert [whole.take(piece) for piece in pieces] == lines
    assert whole.end() == rest
    assert whole.end() == b""


def test_each_line_is_marked() -> None:
    whole = WholeLines(b"stderr: ")
    assert whole.take(b"one\n\ntwo\nth") == b"stderr: one\nstderr: \nstderr: two\n"
    assert whole.take(b"") == b""
    assert whole.end() == b"stderr: th\n"


@given(st.lists(st.text("ab\n", max_size=10).map(str.encode)))
def test_nothing_is_lost_or_too_long_however_it_comes(pieces: list[bytes]) -> None:
    whole = WholeLines(longest=10)
    out = b"".join([*map(whole.take, pieces), whole.end()])
    everything = b"".join(pieces)
    expected = []
    *full, last = everything.split(b"\n")
    for line in [*full, *([last] if last else [])]:
        cut = [line[start : start + 10] for start in range(0, max(len(line), 1), 10)]
        expected += cut
    assert out == b"".join(line + b"\n" for line in expected)
