"""The formats that are known, those with the most to go by first."""

from server.formats import java, programs, servers, structured, systems
from server.formats.format import Format

FORMATS: tuple[Format, ...] = (
    *systems.FORMATS,
    *servers.FORMATS,
    *structured.FORMATS,
    *java.FORMATS,
    *programs.FORMATS,
)
"""Where lines fit several of them as well, the first one counts."""
