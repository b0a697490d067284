"""The level of a line of unknown format."""

from server.formats.levels import Level
from server.formats.places import prefix, reader


def level_of(line: bytes) -> Level | None:
    """The level of a line, None if it has none: then it belongs to the record before it."""
    if not line:
        return None
    regex, tables = reader(line[0])
    match = regex.match(line)
    if match is None:
        start = prefix().match(line)
        if start is None or not start.end() or start.end() == len(line):
            return None
        regex, tables = reader(line[start.end()])
        match = regex.match(line, start.end())
        if match is None:
            return None
    index = match.lastindex or 1
    text, table = match[index], tables[index - 1]
    return table.get(text) or table.get(text.lower())
