"""What the server says of itself: its own log, on stderr, as text or as JSON."""

import json
import logging
import re
import time
from typing import Any
from urllib.parse import unquote

from tornado.web import RequestHandler

STREAMS = "riacho.streams"
"""The logger that gets a line for each stream that has ended."""

_TEXT = "%(asctime)s %(levelname)s %(message)s"

# in a query any character may be percent-encoded
_TOKEN = "".join(f"(?:{char}|%{ord(char):x})" for char in "token")

_SECRETS = (
    re.compile(rf"([?&]{_TOKEN}=)[^&\s]*", re.I),
    re.compile(r"(bearer\s+)\S+", re.I),
    re.compile(r"(riacho-\d+=)[^\s;']+"),
    re.compile(r"()\b2\|1:0\|[\w|:=+/-]+"),  # the cookie's value alone, as Tornado signs it
)

_LONGEST_URI = 500
"""Characters of an address that are logged: a client may send thousands."""

_log = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """A line of JSON for each record; what was given as `extra={"facts": {...}}` as it is."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """A line of text for each record, and a traceback if there is one."""

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return without_secrets(super().formatException(ei))


class Throttle(logging.Filter):
    """Lets one record of each level pass in a second, and says how many it held back."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[int, float] = {}
        self._held: dict[int, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, level = time.monotonic(), record.levelno
        if now < self._next.get(level, 0):
            self._held[level] = self._held.get(level, 0) + 1
            return False
        self._next[level] = now + 1
        held = self._held.pop(level, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} (and {held} more like it)", None
        return True


class _OneSafeLine(logging.Filter):
    """Takes secrets out of whatever is logged, for other people's messages quote requests, too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(without_secrets(record.getMessage())), None
        return True


def configure(form: str) -> None:
    """Set up logging for the process; `form` is "text" or "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(_TEXT))
    handler.addFilter(_OneSafeLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("sh").setLevel(logging.WARNING)
    # what clients can make others say, they can make them say without end
    for name in ("tornado.general", "tornado.application", "riacho.refused"):
        logging.getLogger(name).addFilter(Throttle())


def without_secrets(text: str) -> str:
    """`text` without what lets a client in, right or wrong: tokens, and the cookie's value."""
    for secret in _SECRETS:
        text = secret.sub(r"\1...", text)
    return text


def printable(text: str) -> str:
    """`text` in which nothing can pass for another line, or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def log_request(handler: RequestHandler) -> None:
    """Tornado's `log_function`: a line for each request that was no stream."""
    status = handler.get_status()
    request = handler.request
    client = getattr(handler, "client", request.remote_ip)  # whom a trusted proxy calls for
    level = logging.ERROR if status >= 500 else logging.INFO
    milliseconds = round(1000 * request.request_time(), 1)
    path = _shown(request.uri or "")
    name = "riacho.refused" if 400 <= status < 500 else __name__
    facts = {
        "client": client,
        "method": request.method,
        "path": path,
        "status": status,
        "ms": milliseconds,
    }
    logging.getLogger(name).log(
        level,
        "%s %s %s from %s in %s ms",
        status,
        request.method,
        path,
        client,
        milliseconds,
        extra={"facts": facts},
    )


def log_stream(client: str, uri: str, why: str, seconds: float, **told: object) -> None:
    """A line for a stream that has ended: who, from where, how much, how long, and why."""
    path = unquote(_shown(uri), errors="replace")
    told["seconds"] = round(seconds, 1)
    logging.getLogger(STREAMS).info(
        "%s to %s: %s; %s",
        path,
        client,
        ", ".join(f"{name} {value}" for name, value in told.items()),
        why,
        extra={"facts": {"client": client, "path": path, **told, "why": why}},
    )


def _shown(uri: str) -> str:
    """What is logged of the address that a client asked for."""
    uri = without_secrets(uri)
    return uri if len(uri) <= _LONGEST_URI else f"{uri[:_LONGEST_URI]}..."
