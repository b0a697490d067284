"""The level of a line of unknown format."""

from server.formats.levels import Level
from server.formats.places import level_pattern


def level_of(line: bytes) -> Level | None:
    """The level of a line, None if it has none: then it belongs to the record before it."""
    pattern, tables = level_pattern()
    match = pattern.match(line)
    if match is None or match.lastindex is None:
        return None
    text = match[match.lastindex]
    table = tables[match.lastindex - 1]
    return table.get(text) or table.get(text.lower())
