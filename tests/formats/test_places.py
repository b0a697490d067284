"""Blocks of many lines are searched with expressions that agree with `level_of`."""

import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.detect import level_of
from server.formats.levels import WORDS, Level
from server.formats.places import (
    RE2_MEMORY,
    any_level,
    patterns_at_least,
    runs_at_least,
)
from server.formats.table import FORMATS
from tests.formats.engines import compiled

LINES = [example.line for format in FORMATS for example in format.examples]
PROSE = [
    b"",
    b"Traceback (most recent call last):",
    b'  File "a.py", line 1, in error',
    b"No ERROR here",
    b"errors=0",
    b"[INFO] [ERROR] two of them",
    b"INFO: error: two of them",
    b"INF 1795773600 2026.11.27 R02 2026-11-27-10.00.00.5 R02 RAS KERNEL FATAL no alert",
    b"\xff\xfe binary",
    b"crlf INFO\r",
    b"INFO\r",
]
PIECES = sorted({piece for line in LINES for piece in re.split(rb"(?<=[ \]|:,])", line) if piece})
SPELLED = sorted({spelled for words in WORDS.values() for spelled in words})
AROUND = (
    *("%s ", "[%s] ", "[%s]", "%s: ", "(%s) ", "| %s | ", "%s:", "<%s> ", "- %s - ", "%s\t"),
    *('"level":"%s",', "level=%s ", "%s  ", "x:%s] ", "[x:%s] ", "\x1b[31m%s\x1b[0m ", "%s,"),
    *("app.%s: ", "[%s x] "),
)


def starts_of(lines: Sequence[bytes], least: Level) -> list[int]:
    """Where the lines of at least this level begin in a block."""
    starts, offset = [], 0
    for line in lines:
        level = level_of(line)
        if level is not None and level >= least:
            starts.append(offset)
        offset += len(line) + 1
    return starts


def block_of(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def mixtures() -> st.SearchStrategy[bytes]:
    """Lines like those of logs, and unlike them: pieces of examples and levels in any place."""
    cases = st.sampled_from((str.upper, str.lower, str.title))
    spelled = st.builds(
        lambda around, word, case: (around % case(word)).encode(),
        st.sampled_from(AROUND),
        st.sampled_from(SPELLED),
        cases,
    )
    pieces = st.lists(spelled | st.sampled_from(PIECES), min_size=1, max_size=6).map(b"".join)
    joined = st.builds(
        lambda one, end, word, other, start: one[:end] + word + other[start:],
        st.sampled_from(LINES),
        st.integers(0, 80),
        spelled | st.just(b""),
        st.sampled_from(LINES),
        st.integers(0, 80),
    )
    return st.sampled_from(LINES + PROSE) | pieces | joined


@pytest.mark.parametrize("level", Level)
def test_a_block_is_searched_as_its_lines_are(level: Level) -> None:
    lines = [*LINES, *PROSE] * 3
    random.Random(level).shuffle(lines)
    found = compiled(patterns_at_least(level)).finditer(block_of(lines))
    assert [match.start() for match in found] == starts_of(lines, level)


@pytest.mark.parametrize("level", Level)
@given(st.lists(mixtures(), max_size=20))
def test_both_agree_on_mixtures(level: Level, lines: list[bytes]) -> None:
    found = compiled(patterns_at_least(level)).finditer(block_of(lines))
    assert [match.start() for match in found] == starts_of(lines, level)


@pytest.mark.parametrize("level", [Level.TRACE, Level.INFO, Level.ERROR])
def test_runs_are_the_same_lines_together(level: Level) -> None:
    lines = [*LINES, *PROSE]
    block = block_of(lines)
    runs = [match.group() for match in compiled(runs_at_least(level)).finditer(block)]
    starts = starts_of(lines, level)
    assert b"".join(runs) == b"".join(block[at : block.index(b"\n", at) + 1] for at in starts)
    assert len(runs) < len(starts)


def test_a_match_lies_within_its_line() -> None:
    block = block_of([*LINES, *PROSE])
    assert not [match for match in compiled(any_level()).finditer(block) if b"\n" in match.group()]


def test_the_last_line_need_not_have_ended() -> None:
    for pattern in (any_level(), runs_at_least(Level.ERROR)):
        [match] = compiled(pattern).finditer(b"no\nERROR")
        assert match.start() == 3


def test_any_level_is_the_least_one() -> None:
    assert any_level() == patterns_at_least(Level.TRACE)


def test_re2_can_search_within_the_memory_that_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """Without enough of it RE2 is fifty times slower, and says so for each match."""
    block = block_of([*LINES, *PROSE] * 20)
    for level in Level:
        for _ in compiled(patterns_at_least(level)).finditer(block):
            pass
    assert RE2_MEMORY < 64 << 20
    assert "memory" not in capfd.readouterr().err
