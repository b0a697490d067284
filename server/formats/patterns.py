"""Pieces of expressions for bytes, in two dialects: that of Python's re, and that of RE2.

A grammar is written once. `(?>` begins what need not be tried again, and a name in double angle
brackets stands for a run of characters that is none of some words. RE2 knows neither atomic groups
nor lookahead: it needs no atomic groups, as it never tries again, and for such a run it gets the
complement of a trie.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

ESCAPE = r"(?:\x1b|\\u001b)\[[0-9;]*[A-Za-z]"
"""What colours text in a terminal, also as JSON writes it."""

GAP = rf"(?:[ \t]|{ESCAPE})"

LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
LETTERS = LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
ALPHANUMERIC = LETTERS | frozenset("0123456789")

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
        return _complement(self)


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
    options = [
        (_class(frozenset((char, char.upper()))) if ignore_case else _literal(char))
        + _trie(rests, ignore_case)
        for char, rests in _branches(texts).items()
    ]
    if not options:
        return ""
    if "" in texts:
        return f"(?:{'|'.join(options)})?"
    return f"(?:{'|'.join(options)})" if len(options) > 1 else options[0]


def _complement(other: Other) -> str:
    """A run leaves the trie of the words at some letter, or it ends before a word is complete."""
    words = tuple(sorted(word.lower() for word in other.words))
    leaves = _leaving(words, other.alphabet, other.first, is_start=True)
    ends = _beginnings(words, frozenset(words), other.first, "")
    whole = f"{leaves}{_class(other.alphabet)}*"
    return f"(?:{whole}|{ends})" if ends else whole


def _leaving(
    words: Sequence[str], alphabet: frozenset[str], first: frozenset[str], is_start: bool
) -> str:
    """The shortest beginnings that no word has."""
    branches = _branches(words)
    options = [_class(first - {char for key in branches for char in (key, key.upper())})]
    for key, rests in sorted(branches.items()):
        chars = frozenset((key, key.upper())) & first
        if chars:
            options.append(_class(chars) + _leaving(rests, alphabet, alphabet, is_start=False))
    return f"(?:{'|'.join(options)})" if len(options) > 1 else options[0]


def _beginnings(
    words: Iterable[str], whole: frozenset[str], first: frozenset[str] | None, before: str
) -> str:
    """The beginnings of words that are no words themselves."""
    options = []
    for key, rests in sorted(_branches(words).items()):
        chars = frozenset((key, key.upper()))
        chars = chars & first if first else chars
        longer = _beginnings(rests, whole, None, before + key)
        may_end = before + key not in whole
        if chars and (longer or may_end):
            options.append(_class(chars) + (f"{longer}?" if longer and may_end else longer))
    return f"(?:{'|'.join(options)})" if options else ""


def _branches(words: Iterable[str]) -> dict[str, list[str]]:
    branches: dict[str, list[str]] = {}
    for word in words:
        if word:
            branches.setdefault(word[0], []).append(word[1:])
    return branches


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
