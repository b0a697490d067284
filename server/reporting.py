"""What the server says of itself: its own log, on stderr, as text or as JSON."""

import json
import logging
import re
import time
from urllib.parse import unquote

from tornado.web import RequestHandler

STREAMS = "riacho.streams"
"""The logger that gets a line for each stream that has ended."""

_TEXT = "%(asctime)s %(levelname)s %(message)s"

_TOKEN = re.compile(r"([?&]token=)[^&#\s]*", re.IGNORECASE)

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
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


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


class _Secretless(logging.Filter):
    """Takes tokens out of whatever is logged: other people's messages quote URLs, too."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        record.msg, record.args = printable(without_token(message)), None
        return True


def configure(form: str) -> None:
    """Set up logging for the process; `form` is "text" or "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    handler.addFilter(_Secretless())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("sh").setLevel(logging.WARNING)
    # what clients can make others say, they can make them say without end
    for name in ("tornado.general", "riacho.refused"):
        logging.getLogger(name).addFilter(Throttle())


def without_token(text: str) -> str:
    """`text` with the value of every `token=` in a query left out."""
    return _TOKEN.sub(r"\1...", text)


def printable(text: str) -> str:
    """`text` in which nothing can pass for another line, or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def log_request(handler: RequestHandler) -> None:
    """Tornado's `log_function`: a line for each request that was no stream."""
    status = handler.get_status()
    request = handler.request
    level = logging.ERROR if status >= 500 else logging.INFO
    milliseconds = round(1000 * request.request_time(), 1)
    path = without_token(request.uri or "")
    name = "riacho.refused" if 400 <= status < 500 else __name__
    facts = {
        "client": request.remote_ip,
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
        request.remote_ip,
        milliseconds,
        extra={"facts": facts},
    )


def log_stream(client: str, uri: str, why: str, seconds: float, **counts: object) -> None:
    """A line for a stream that has ended: who, from where, how much, how long, and why."""
    path = without_token(unquote(uri, errors="replace"))
    facts = {"client": client, "path": path, **counts, "seconds": round(seconds, 1), "why": why}
    told = ", ".join(f"{value} {name}" for name, value in counts.items())
    logging.getLogger(STREAMS).info(
        "%s to %s: %s in %.1f s; %s", path, client, told, seconds, why, extra={"facts": facts}
    )
