"""Regular expressions that take time in proportion to the text, whatever they are: RE2.

Its syntax is that of Perl without what cannot be matched so, backreferences and lookaround: see
https://github.com/google/re2/wiki/Syntax.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

MOST_BYTES = 1000
"""Length of a pattern, in bytes of UTF-8."""

MOST_MEMORY = 1024 * 1024
"""Bytes that a compiled pattern and its cache may take: `RE2::Options::max_mem`."""

Search = Callable[[bytes, int], Any]
"""Searches in a text, from an offset on."""

MISSING = (
    "filters need the package google-re2, which is not installed here: "
    "pip install 'riacho[filters]', or leave out the filter"
)

_OF_THE_WHOLE_TEXT = re.compile(r"\\[Az]|\(\?[a-zA-Z]*-")
"""What a pattern may hold to which it makes a difference that a line is one of many."""

_LINES = "(?m)"
"""Before each pattern: it may begin and end at those of a line."""

_REASONS = {
    "invalid perl operator": "lookahead and lookbehind are not supported",
    "invalid named capture": "a group's name is (?P<name>...), without signs in the name",
    "missing ]": "a [ has no ]",
    "missing )": "a ( has no )",
    "unexpected )": "a ) has no (",
    "trailing \\": "nothing follows the last backslash",
    "no argument for repetition operator": "nothing stands before the repetition",
    "bad repetition operator": "one repetition follows another",
    "invalid repetition size": "a repetition goes from the lower to the higher number, up to 1000",
    "invalid character class range": "there is no such class of characters",
    "pattern too large - compile failed": "it needs too much memory: give smaller repetitions",
}
"""What RE2 says, and what that means."""


class PatternError(Exception):
    """A pattern cannot be taken, as its words say."""


class Pattern:
    """A compiled pattern, which never matches across the end of a line.

    What it is compared with is the text as it is shown: without the CR before a newline, and with
    U+FFFD for each byte that is no UTF-8. Raises PatternError, also where the package google-re2
    is missing: another engine could take for ever.
    """

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        self._search = _compiled(text, ignore_case)
        self._is_for_blocks = _OF_THE_WHOLE_TEXT.search(text) is None

    def matches(self, line: bytes) -> bool:
        """Whether it is found in a line, which has no newline."""
        line = line.removesuffix(b"\r")
        if not _is_utf8(line):
            line = line.decode("utf-8", "replace").encode()
        return self._search(line, 0) is not None

    def lines(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where each line in which it is found begins and ends, its newline included.

        `text` is whole lines; only the last may lack its newline.
        """
        if not (self._is_for_blocks and _is_utf8(text)):
            return self._one_by_one(text)
        if b"\r" not in text:  # one byte is found many times faster than two
            return self._in_block(text)
        is_same = text.count(b"\r\n") == text.count(b"\n")
        return self._between_crlf(text) if is_same else self._one_by_one(text)

    def _in_block(self, text: bytes) -> Iterator[tuple[int, int]]:
        at, size = 0, len(text)
        while at < size:
            found = self._search(text, at)
            if found is None or (found.start() == size and text.endswith(b"\n")):
                return  # what is found behind the last newline is in no line
            start = text.rfind(b"\n", at, found.start()) + 1 or at
            at = text.find(b"\n", found.start()) + 1 or size
            yield start, at

    def _between_crlf(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where all lines end in CR and LF: each of those before shifts what is found by one."""
        plain, shift, counted = text.replace(b"\r\n", b"\n"), 0, 0
        for start, end in self._in_block(plain):
            shift += plain.count(b"\n", counted, start)
            counted = start
            yield start + shift, min(end + shift + 1, len(text))

    def _one_by_one(self, text: bytes) -> Iterator[tuple[int, int]]:
        at = 0
        while at < len(text):
            end = text.find(b"\n", at) + 1 or len(text)
            if self.matches(text[at:end].removesuffix(b"\n")):
                yield at, end
            at = end


def _compiled(text: str, ignore_case: bool) -> Search:
    """The function that searches in a text for what a client has asked for."""
    re2 = _engine()
    pattern = text.encode("utf-8", "replace")
    if len(pattern) > MOST_BYTES:
        raise PatternError(f"it is longer than {MOST_BYTES} bytes")
    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.case_sensitive = not ignore_case
    options.never_nl = True
    options.log_errors = False
    try:
        search: Search = re2.compile(_LINES.encode() + pattern, options).search
    except re2.error as error:
        raise PatternError(_why(text, error)) from None
    return search


def compiled_for_bytes(text: str, memory: int) -> Search:
    """The function that searches for an expression of our own, in text of any encoding.

    It takes up to so many bytes of `memory`. Raises PatternError where the package google-re2 is
    missing.
    """
    re2 = _engine()
    options = re2.Options()
    options.max_mem = memory
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_nl = True
    search: Search = re2.compile(text.encode("latin-1"), options).search
    return search


def _engine() -> Any:
    try:
        import re2  # type: ignore[import-untyped]
    except ImportError:
        raise PatternError(MISSING) from None
    return re2


def _why(text: str, error: Exception) -> str:
    """Why RE2 does not take a pattern, in plain words, and where, if that can be found."""
    [said] = error.args
    reason, _, part = said.decode(errors="replace").partition(": ")
    part = part.removeprefix(_LINES)
    if reason == "invalid escape sequence" and re.fullmatch(r"\\\d", part):
        meaning = "backreferences are not supported"
    else:
        meaning = _REASONS.get(reason, reason)
    at = text.find(part) if part else -1
    where = f", at {part!r}" + (f" (character {at + 1})" if at >= 0 else "") if part else ""
    return f"{meaning}{where}"


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
