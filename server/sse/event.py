"""Events, and their form on the wire.

The law is WHATWG HTML, section 9.2 "Server-sent events"
(https://html.spec.whatwg.org/multipage/server-sent-events.html). The sentences
quoted below are from its sections 9.2.4 to 9.2.7.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

MEDIA_TYPE = "text/event-stream; charset=utf-8"

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: "lines starting with a U+003A COLON character (:) are ignored"."""

END = b"\n\n"
"""What ends an event, and stands nowhere within one."""

# "These lines must be separated by either a U+000D U+000A (CRLF) pair, a single
# U+000A (LF) character, or a single U+000D (CR) character."
_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    `data` is any text; a line end in it (CRLF, LF or CR) reaches the client as LF.
    `None` gives an event without data, which sets `id` and `retry` and is not
    dispatched. `id` becomes the client's last event id, `name` the event's type
    ("message" if there is none), `retry` its reconnection time in milliseconds.

    Raises ValueError for an `id` or `name` that the format cannot carry and for a
    negative `retry`.
    """

    data: str | None = None
    id: str | None = None
    name: str | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        # "If the field value does not contain U+0000 NULL, then set the last event ID
        # buffer to the field value. Otherwise, ignore the field."
        if self.id is not None and re.search("[\0\r\n]", self.id):
            raise ValueError(f"an event id cannot hold NUL, CR or LF: {self.id!r}")
        if self.name is not None and re.search("[\r\n]", self.name):
            raise ValueError(f"an event name cannot hold CR or LF: {self.name!r}")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"retry cannot be negative: {self.retry}")

    def encode(self) -> bytes:
        """The event as a frame: its fields, a line each, and the blank line that ends it."""
        fields = []
        if self.retry is not None:
            fields.append(f"retry: {self.retry}\n")
        if self.name is not None:
            fields.append(f"event: {self.name}\n")
        if self.id is not None:
            fields.append(f"id: {self.id}\n")
        if self.data is not None:
            fields += [f"data: {line}\n" for line in _LINE_END.split(self.data)]
        return _utf8("".join(fields) + "\n")


def control_event(name: str, id: str | None = None, **data: object) -> bytes:
    """The frame of a fact about the stream itself: an event called `name`, its data JSON.

    A page that does not listen for `name` never sees it.
    """
    return told(name, data, id)


def told(name: str, details: Mapping[str, object], id: str | None = None) -> bytes:
    """The same of details that are at hand."""
    return Event(json.dumps(details), id=id, name=name).encode()


def last_event_id(header: str | None) -> str | None:
    """What the `Last-Event-ID` header of a request says, None if nothing.

    The client sends the id "encoded as UTF-8", while a header's text has been
    decoded as Latin-1.
    """
    if not header:
        return None
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def _utf8(text: str) -> bytes:
    """`text` in UTF-8, with U+FFFD for what UTF-8 cannot carry (lone surrogates)."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()
