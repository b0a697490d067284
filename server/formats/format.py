"""What a format of logs is: data that name it, describe it, and show it by examples."""

import json
import re
from dataclasses import dataclass
from functools import cached_property

from server.formats.clocks import Clock
from server.formats.detect import level_of
from server.formats.levels import Level


@dataclass(frozen=True)
class Example:
    """A line of a format, and what it says."""

    line: bytes
    level: Level | None = None
    time: float | None = None
    """Seconds since 1970, if times without a year are those before the end of 2026."""


@dataclass(frozen=True)
class Format:
    """How the lines of a kind of log look."""

    name: str
    origin: str
    """What writes it."""
    pattern: str
    """A whole line, for Python's re and RE2 alike, with the groups `time`, `level` and `body` as
    far as the format has them. They are for bytes: RE2 needs `Options.Encoding.LATIN1`."""
    clocks: tuple[Clock, ...]
    """How the group `time` is read: the first one that can. None if lines have no date."""
    examples: tuple[Example, ...]
    is_envelope: bool = False
    """Whether the body is a line of another format."""
    is_escaped: bool = False
    """Whether the body is written as a string of JSON is."""

    @cached_property
    def regex(self) -> "re.Pattern[bytes]":
        return re.compile(self.pattern.encode("latin-1"))

    def fits(self, line: bytes) -> bool:
        """Whether a line has this format; the further lines of a record mostly have not."""
        return self.regex.match(line) is not None

    def level_of(self, line: bytes) -> Level | None:
        """The level of a line, None if it has none: then it belongs to the record before it.

        The places of levels are the same for all formats, so that blocks can be searched with one
        expression, whatever was detected.
        """
        return level_of(line)

    def time_of(self, line: bytes, latest: float | None = None) -> float | None:
        """The time of a line in seconds since 1970, None if it has none.

        `latest` is the time of the last write, for formats without a year; see `Clock.read`.
        """
        match = self.regex.match(line)
        if match is None or not self.clocks:
            return None
        text = match["time"]
        times = (clock.read(text, latest) for clock in self.clocks if text)
        return next((time for time in times if time is not None), None)

    def body_of(self, line: bytes) -> bytes | None:
        """What a line says besides its time and level, None if it has another format."""
        match = self.regex.match(line)
        if match is None or "body" not in self.regex.groupindex:
            return None
        body = match["body"]
        return _unescaped(body) if self.is_escaped else body


def _unescaped(body: bytes) -> bytes:
    """What a string of JSON says, without the newline at its end; as it is if it is none."""
    try:
        text: str = json.loads(b'"' + body + b'"')
        return text.removesuffix("\n").encode()
    except ValueError:
        return body
