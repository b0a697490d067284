"""A parser of event streams that follows the specification to the letter, to test against.

WHATWG HTML, sections 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event
stream". Its only merit is that each line of it can be compared with a sentence there.
"""

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile("\r\n|\n|\r")


class Parsed(NamedTuple):
    """An event as a page gets it."""

    data: str
    id: str = ""
    type: str = "message"


class Parser:
    """Feed it a stream's bytes, cut anywhere; it gives the events that are dispatched."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id  # it outlives a connection
        self.retry: int | None = None
        self.comments = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_start = True
        self._text = ""
        self._ended_in_cr = False
        self._data = ""
        self._type = ""
        self._id = last_event_id

    def feed(self, data: bytes) -> list[Parsed]:
        return list(self._events(self._decoder.decode(data)))

    def _events(self, text: str) -> Iterator[Parsed]:
        if self._at_start and text:
            text = text.removeprefix("\ufeff")
            self._at_start = False
        if text:
            if self._ended_in_cr:
                text = text.removeprefix("\n")  # the rest of a CRLF: its line has ended
            self._ended_in_cr = text.endswith("\r")
        *lines, self._text = _LINE_END.split(self._text + text)
        for line in lines:
            if not line:
                yield from self._dispatch()
            elif line.startswith(":"):
                self.comments += 1
            else:
                field, _, value = line.partition(":")
                self._field(field, value.removeprefix(" "))

    def _field(self, field: str, value: str) -> None:
        if field == "event":
            self._type = value
        elif field == "data":
            self._data += value + "\n"
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> Iterator[Parsed]:
        self.last_event_id = self._id
        data, self._data = self._data, ""
        type, self._type = self._type, ""
        if data:
            yield Parsed(data.removesuffix("\n"), self.last_event_id, type or "message")


def parse(data: bytes) -> list[Parsed]:
    """The events of a whole stream."""
    return Parser().feed(data)
