"""What a client wants of `/stream-logs`, and the address that asks for it."""

from collections.abc import Iterable, Sequence
from typing import TypedDict, Unpack
from urllib.parse import parse_qs, urlencode, urlsplit


class Wanted(TypedDict, total=False):
    """What may be asked of `/stream-logs`; what is None or not given leaves it to the server.

    The server checks it: whoever follows a stream is told what it says.
    """

    log: str | Sequence[str] | None
    """The name of a log, or several: names, and patterns as `web*`."""
    grep: str | Sequence[str] | None
    """A regular expression that must be found in a line, or several, which all must."""
    invert: bool
    """Whether the lines are wanted in which they are not all found."""
    ignore_case: bool
    """Whether upper and lower case are the same to `grep`."""
    level: str | None
    """The least level of a line, as `warning`."""
    since: str | None
    """The time at which to begin."""
    until: str | None
    """The time at which to end."""
    backlog: int | None
    """How many lines before the live end come first."""
    from_start: bool
    """Whether all lines come first that there are."""
    format: str | None
    """`text`, or `json`: each line as an object with its log's name."""


def address_of(url: str, **wanted: Unpack[Wanted]) -> str:
    """The address of the stream at `url` with what is wanted added to its query.

    The server goes by the last one of what may be given once: what is added wins.
    """
    query = urlencode(list(_parameters(wanted)), errors="surrogateescape")
    if not query:
        return url
    bare, _, _ = url.partition("#")
    glue = "" if bare.endswith(("?", "&")) else "&" if "?" in bare else "?"
    return f"{bare}{glue}{query}"


def _parameters(wanted: Wanted) -> Iterable[tuple[str, str]]:
    """Names and values as the server knows them."""
    for name, value in wanted.items():
        if name == "from_start":
            name, value = "from", "start" if value else None
        elif isinstance(value, bool):
            value = "1" if value else None
        if isinstance(value, str | int):
            yield name, str(value)
        elif isinstance(value, Sequence):
            yield from ((name, one) for one in value)


def has_names(url: str) -> bool:
    """Whether the stream at an address is one of several logs, whose lines come with names."""
    logs = parse_qs(urlsplit(url).query).get("log", [])
    return len(logs) > 1 or any(char in log for log in logs for char in "*?[")
