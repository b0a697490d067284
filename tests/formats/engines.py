"""RE2 as the server uses it: for bytes, whatever their encoding is."""

from functools import cache
from typing import Any

import re2  # type: ignore[import-untyped]

from server.formats.places import RE2_MEMORY


@cache
def compiled(pattern: str) -> Any:
    """A pattern for RE2. Raises re2.error if RE2 does not understand it."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = RE2_MEMORY
    options.log_errors = False
    return re2.compile(pattern.encode("latin-1"), options)
