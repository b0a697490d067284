"""From events with lines to what stands on stdout."""

import json
from collections.abc import Callable

from server.follow.terminal import named, painted, visible, visible_json
from server.follow.words import details_of
from server.formats.detect import level_of
from server.formats.levels import Level

Form = Callable[[str], str]
"""Makes a line of text, without its end, of the data of an event."""


def as_json(data: str) -> str:
    """A line as the server sent it: an object. What is none becomes one."""
    return visible_json(data if details_of(data) else json.dumps({"line": data}))


class Plain:
    """Lines as they stand in the log, of several logs with the log's name before each.

    With `coloured`, each has the colour of its level; one without a level has that of the line
    before it in its log, as it may go on with its record.
    """

    def __init__(self, *, has_names: bool, coloured: bool) -> None:
        self._has_names = has_names
        self._coloured = coloured
        self._levels: dict[str, Level | None] = {}

    def __call__(self, data: str) -> str:
        log, line = self._parts(data)
        text = visible(line)
        if self._coloured:
            level = level_of(line.encode(errors="replace")) or self._levels.get(log)
            self._levels[log] = level
            text = painted(text, level)
        if not self._has_names:
            return text
        name = visible(log)
        return f"{named(name) if self._coloured else name}: {text}"

    def _parts(self, data: str) -> tuple[str, str]:
        details = details_of(data) if self._has_names else {}
        if isinstance(details.get("line"), str):
            return str(details.get("log", "")), details["line"]
        # a CR within a line comes as a line end
        return "", data.replace("\n", "\r")
