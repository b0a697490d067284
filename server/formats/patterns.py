"""Pieces of expressions for bytes, in two dialects: that of Python's re, and that of RE2.

A grammar is written once. `(?>` begins what need not be tried again, and a name in double angle
brackets stands for a run of characters that is none of some words. RE2 knows neither atomic groups
nor lookahead: it needs no atomic groups, as it never tries again, and for such a run it gets the
complement of a trie.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

ESCAPE = r"\x1b\[[0-9;]*[A-Za-z]"
"""What colours text in a terminal."""

GAP = rf"(?:[ \t]|{ESCAPE})"

LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
ALPHANUMERIC = LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

_REST_OF_CLASS = frozenset("()*+,./:;<=>?@ _#$%&!~{|}'`\"")


class Other(NamedTuple):
    """A run of characters of an alphabet that is none of these words, whatever their case.

    What follows it must not be in the alphabet, or the run may be taken in part.
    """

    words: frozenset[str]
    alphabet: frozenset[str]
    first: frozenset[str]
    """The characters with which it may begin."""

    def for_re(self) -> str:
        chars = _class(self.alphabet)
        words = any_case(self.words)
        return f"(?>(?!{words}(?!{chars})){_class(self.first)}{chars}*)"

    def for_re2(self) -> str:
        return _complement(tuple(sorted(self.words)), self.alphabet, self.first, is_start=True)


def for_re(text: str, others: Mapping[str, Other]) -> str:
    """An expression for Python's re."""
    return _with_others(text, {name: other.for_re() for name, other in others.items()})


def for_re2(text: str, others: Mapping[str, Other]) -> str:
    """The same expression for RE2."""
    text = text.replace("(?>", "(?:")
    return _with_others(text, {name: other.for_re2() for name, other in others.items()})


def _with_others(text: str, others: Mapping[str, str]) -> str:
    for name, other in others.items():
        text = text.replace(f"<<{name}>>", other)
    return text


def one_of(texts: Iterable[str]) -> str:
    """One of these texts, the longest one that fits."""
    return _trie(sorted(set(texts)), ignore_case=False)


def any_case(texts: Iterable[str]) -> str:
    """One of these texts in upper, lower or mixed case."""
    return _trie(sorted({text.lower() for text in texts}), ignore_case=True)


def _trie(texts: Sequence[str], ignore_case: bool) -> str:
    """The texts letter by letter, for Python's re tries each of several branches."""
    branches: dict[str, list[str]] = {}
    for text in texts:
        if text:
            branches.setdefault(text[0], []).append(text[1:])
    options = [
        (_class(frozenset((char, char.upper()))) if ignore_case and char in LOWER else
         _literal(char)) + _trie(rests, ignore_case)
        for char, rests in branches.items()
    ]
    if not options:
        return ""
    may_end = "?" if "" in texts else ""
    return f"(?:{'|'.join(options)}){may_end}" if may_end or len(options) > 1 else options[0]


def _complement(
    words: Sequence[str], alphabet: frozenset[str], first: frozenset[str], is_start: bool
) -> str:
    branches: dict[str, list[str]] = {}
    for word in words:
        if word:
            branches.setdefault(word[0].lower(), []).append(word[1:])
    taken = {char for key in branches for char in (key, key.upper())}
    options = [f"{_class(first - taken)}{_class(alphabet)}*"]
    for key, suffixes in sorted(branches.items()):
        chars = frozenset((key, key.upper())) & first
        if chars:
            options.append(_class(chars) + _complement(suffixes, alphabet, alphabet, False))
    may_end = not is_start and "" not in words
    return f"(?:{'|'.join(options)}){'?' if may_end else ''}"


@cache
def _class(chars: frozenset[str]) -> str:
    """A class of these characters."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, chars)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(map(_range, ranges)) + "]"


def _range(ends: list[int]) -> str:
    low, high = (_in_class(chr(code)) for code in ends)
    return low if low == high else f"{low}-{high}"


def _in_class(char: str) -> str:
    return char if char in ALPHANUMERIC or char in _REST_OF_CLASS else f"\\x{ord(char):02x}"


def _literal(text: str) -> str:
    return "".join(char if char in ALPHANUMERIC else f"\\x{ord(char):02x}" for char in text)
