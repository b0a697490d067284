"""Which lines a pattern is found in, and which patterns cannot be taken."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.filters.pattern import MOST_BYTES, Pattern, PatternError


def found(pattern: str, text: bytes, *, ignore_case: bool = False) -> list[bytes]:
    return [text[begin:end] for begin, end in Pattern(pattern, ignore_case=ignore_case).lines(text)]


TEXT = b"one\ntwo\n\nthree two\nlast"


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("two", [b"two\n", b"three two\n"]),
        ("t", [b"two\n", b"three two\n", b"last"]),
        ("^two", [b"two\n"]),
        ("two$", [b"two\n", b"three two\n"]),
        ("^$", [b"\n"]),
        ("", [b"one\n", b"two\n", b"\n", b"three two\n", b"last"]),
        ("$", [b"one\n", b"two\n", b"\n", b"three two\n", b"last"]),
        ("one|last", [b"one\n", b"last"]),
        ("one\ntwo", []),
        (r"one\stwo", []),
        ("one[^x]two", []),
        ("(?s)one.two", []),
        (r"\Atwo", [b"two\n"]),  # a line is a text of its own
        (r"two\z", [b"two\n", b"three two\n"]),
        ("(?-m)^last$", [b"last"]),
        ("TWO", []),
        ("(?i)TWO", [b"two\n", b"three two\n"]),
        ("nothing", []),
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_pattern_is_found_in_lines_and_never_across_their_ends(
    pattern: str, lines: list[bytes], newline: bytes
) -> None:
    text = TEXT.replace(b"\n", newline)
    assert found(pattern, text) == [line.replace(b"\n", newline) for line in lines]


def test_some_lines_may_end_in_cr_and_lf_and_others_not() -> None:
    assert found("one$", b"one\r\none\nno\r\nno one\r\n") == [b"one\r\n", b"one\n", b"no one\r\n"]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("^caf.: closed", b"caf\xe9: closed"),  # latin-1, which is shown as U+FFFD
        ("^\ufffd$", b"\xff"),
        ("é", "café".encode()),
        ("^...$", "日本語".encode()),
    ],
)
def test_it_is_compared_with_the_text_as_it_is_shown(pattern: str, line: bytes) -> None:
    assert found(pattern, b"a\n" + line + b"\nb\n") == [line + b"\n"]
    assert Pattern(pattern).matches(line)


def test_case_is_ignored_where_that_is_asked_for() -> None:
    assert found("ÉTÉ", "été\n".encode(), ignore_case=True) == ["été\n".encode()]
    assert found("ÉTÉ", "été\n".encode()) == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a(?=b)", "lookahead and lookbehind are not supported, at '(?=' (character 2)"),
        ("(?<!a)b", "lookahead and lookbehind are not supported, at '(?<!' (character 1)"),
        (r"(a)\1", r"backreferences are not supported, at '\\1' (character 4)"),
        ("[a", "a [ has no ], at '[a' (character 1)"),
        ("(a", "a ( has no ), at '(a' (character 1)"),
        ("a)", "a ) has no ("),
        ("*", "nothing stands before the repetition, at '*' (character 1)"),
        ("a{2,1}", "a repetition goes from the lower to the higher number"),
        ("a**", "one repetition follows another, at '**' (character 2)"),
        ("a\\", "nothing follows the last backslash"),
        ("((a{1,100}){1,100}){1,100}", "a repetition goes from"),
        (r"(\pL{1,500}.{1,500}){1,2}\pL{1,1000}", "it needs too much memory"),
        ("x" * (MOST_BYTES + 1), f"it is longer than {MOST_BYTES} bytes"),
        ("é" * MOST_BYTES, "it is longer than"),
        ("a" * 1_000_000, "it is longer than"),
    ],
)
def test_a_pattern_that_cannot_be_taken_is_refused_in_plain_words(
    pattern: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PatternError, match=re.escape(why)):
        Pattern(pattern)
    assert capfd.readouterr() == ("", "")  # the engine says nothing by itself


def test_without_the_package_there_is_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern must never be able to hold up the server: no other engine takes its place."""
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    with pytest.raises(PatternError, match=r"need the package google-re2.*pip install"):
        Pattern("a")


def test_no_pattern_takes_more_time_than_the_text_is_long() -> None:
    """With `re`, each further letter would double the time: years for this line."""
    pattern, line = Pattern("(a+)+$"), b"a" * 100_000 + b"!"
    since = time.process_time()
    assert not pattern.matches(line)
    assert time.process_time() - since < 5


@given(
    st.lists(st.text("ab \té", max_size=5), max_size=8),
    st.sampled_from(["a", "^a", "b$", "^$", "a.b", "[^a]", r"\s", "é", "a|b", "", "ab*a"]),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_it_finds_what_python_finds_line_by_line(
    lines: list[str], pattern: str, newline: bytes, ends: bool
) -> None:
    encoded = [line.encode() + newline for line in lines]
    if encoded and not ends:
        encoded[-1] = encoded[-1].removesuffix(newline)
    wanted = [line for line, text in zip(encoded, lines, strict=True) if re.search(pattern, text)]
    assert found(pattern, b"".join(encoded)) == [line for line in wanted if line]
