"""Pieces of expressions in two dialects."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.patterns import ALPHANUMERIC, LETTERS, LOWER, Other, any_case, one_of
from tests.formats.engines import compiled

WORDS = frozenset(("INFO", "INF", "ERR", "ERROR", "DEBUG1"))
OTHERS = [
    Other(WORDS, ALPHANUMERIC | frozenset("_.-"), ALPHANUMERIC),
    Other(WORDS, ALPHANUMERIC, LOWER),
    Other(frozenset(("log.level",)), LETTERS | frozenset("."), LETTERS),
]


@pytest.mark.parametrize("other", OTHERS, ids=range(len(OTHERS)))
@given(st.data())
def test_a_run_is_none_of_the_words_whatever_its_case(other: Other, data: st.DataObject) -> None:
    alphabet = "".join(sorted(other.alphabet))
    near = st.sampled_from(sorted(other.words)).map(str.swapcase) | st.sampled_from(
        sorted(other.words)
    )
    text = data.draw(
        st.text(alphabet, max_size=8)
        | near
        | st.builds(lambda word, more: word + more, near, st.text(alphabet, max_size=2))
        | st.builds(lambda word, end: word[:end], near, st.integers(0, 6))
    )
    words = {word.lower() for word in other.words}
    expected = bool(text) and text[0] in other.first and text.lower() not in words
    expected = expected and set(text) <= other.alphabet
    line = text.encode()
    assert bool(re.fullmatch(other.for_re().encode(), line)) == expected
    assert bool(compiled(f"^(?:{other.for_re2()})$").search(line)) == expected


def test_the_longest_text_that_fits_is_taken() -> None:
    pattern = one_of(("ERR", "ERROR", "ERR!"))
    for text in (b"ERR", b"ERROR", b"ERR!"):
        assert re.fullmatch(pattern.encode(), text)
        assert re.match(pattern.encode(), text + b" ").group() == text  # type: ignore[union-attr]
    assert not re.fullmatch(pattern.encode(), b"err")


def test_case_is_ignored_where_it_should_be() -> None:
    pattern = any_case(("WARN", "@l", "log.level")).encode()
    for text in (b"warn", b"Warn", b"@L", b"LOG.level"):
        assert re.fullmatch(pattern, text)
    assert not re.fullmatch(pattern, b"logxlevel")
