"""What events say of a stream, in words."""

import json
from collections.abc import Mapping
from typing import Any

_WORDS = {
    "rotated": "the log was rotated: the next line is from the next file",
    "truncated": "the log was truncated, and begins anew",
    "gap": "lines are missing{bytes}{why}",
    "unfinished": "the next line has no end yet",
    "continued": "the next line is the rest of the one that had no end",
    "hole": "NUL bytes that nobody wrote are left out{bytes}",
    "clipped": "the next line is longer than the server sends: {length} bytes, {sent} of them came",
    "log-added": "it has joined the stream",
    "log-removed": "it has gone",
    "source-ended": "the source has ended{why}{again_in}",
    "source-started": "the source runs again",
    "source-lost": "{lines} lines of the source could not be kept{why}",
    "shutdown": "the server shuts down",
    "refused": "the server takes no more clients now{why}",
}

_FORMS = {"bytes": " ({} bytes)", "why": ": {}", "again_in": "; it is started again in {} s"}

_SILENT = frozenset({"close", "progress"})
"""Events of which nobody needs to be told who sees the lines."""


def words_of(name: str, data: str) -> str | None:
    """What the event of this name says with its data; None if nobody needs to know.

    It is what the server says: it may hold anything.
    """
    if name in _SILENT:
        return None
    details = details_of(data)
    if name not in _WORDS:
        return f"the event {name}: {data}"
    words = _WORDS[name].format_map(_Parts(details))
    return f"{details['log']}: {words}" if "log" in details else words


class _Parts(dict[str, str]):
    """The parts of a sentence that come from details; those that are not there say nothing."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        super().__init__(
            (key, _FORMS.get(key, "{}").format(value))
            for key, value in details.items()
            if value is not None
        )

    def __missing__(self, key: str) -> str:
        return "" if key in _FORMS else "some"


def details_of(data: str) -> dict[str, Any]:
    """The object that stands in an event's data as JSON; an empty one if there is none."""
    try:
        details = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return details if isinstance(details, dict) else {}
