"""The formats that are known, those with the most to go by first."""

from server.formats.format import Format
from server.formats.java import FORMATS as JAVA
from server.formats.programs import FORMATS as PROGRAMS
from server.formats.servers import FORMATS as SERVERS
from server.formats.structured import FORMATS as STRUCTURED
from server.formats.systems import FORMATS as SYSTEMS

FORMATS: tuple[Format, ...] = (*SYSTEMS, *SERVERS, *STRUCTURED, *JAVA, *PROGRAMS)
"""Where lines fit several of them as well, the first one counts."""
