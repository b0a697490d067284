"""What the server says of itself: its own log, on stderr, as text or as JSON."""

import json
import logging
import re
import time
from collections import deque

from tornado.web import RequestHandler

STREAMS = "riacho.streams"
"""The logger that gets a line for each stream that has ended."""

_formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s")

# in a query any character may be percent-encoded
_TOKEN = "".join(f"(?:{char}|%{ord(char):x})" for char in "token")

_SECRETS = (
    re.compile(rf"([?&]{_TOKEN}=)[^&\s]*", re.I),
    re.compile(r"(bearer\s+)\S+", re.I),
    re.compile(r"(riacho-\d+=)[^\s;']+"),
    re.compile(r"()\b2\|1:0\|[\w|:=+/-]+"),  # the cookie's value alone, as Tornado signs it
)

_LONGEST = 1000
"""Characters of a message that are logged: a client may send many thousands."""

MOST_TOKENS = 10
"""Tokens that are kept out of the log: the present one and those before it."""

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
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line)


class Throttle(logging.Filter):
    """Lets one record of each level pass in so many seconds, and says how many it held back."""

    def __init__(self, seconds: float = 1) -> None:
        super().__init__()
        self.seconds = seconds
        self._passed: dict[int, float] = {}
        self._held: dict[int, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, level = time.monotonic(), record.levelno
        if now - self._passed.get(level, -float("inf")) < self.seconds:
            self._held[level] = self._held.get(level, 0) + 1
            return False
        self._passed[level] = now
        held = self._held.pop(level, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} (and {held} more like it)", None
        return True


class SecretFilter(logging.Filter):
    """Takes secrets out of whatever is logged, for other people's messages quote requests, too.

    What is left of a message is one line.
    """

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self._tokens: deque[str] = deque([token] if token else [], MOST_TOKENS)

    def hide(self, token: str) -> None:
        """Take another token out, too."""
        if token not in self._tokens:
            self._tokens.append(token)

    def filter(self, record: logging.LogRecord) -> bool:
        message = _short(printable(self.clean(record.getMessage())))
        record.msg, record.args = message, None
        if record.exc_info:
            record.exc_text = self.clean(_formatter.formatException(record.exc_info))
        facts: dict[str, object] = getattr(record, "facts", {})
        for name, value in facts.items():
            if isinstance(value, str):
                facts[name] = self.clean(value)
        return True

    def clean(self, text: str) -> str:
        """`text` without the token, wherever it stands, and what looks like one."""
        for token in self._tokens:
            text = text.replace(token, "...")
        return without_secrets(text)


def configure(form: str, token: str | None) -> SecretFilter:
    """Set up logging for the process; `form` is "text" or "json", `token` is never logged.

    The filter that is returned can be told of more tokens.
    """
    secrets = SecretFilter(token)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else _formatter)
    handler.addFilter(secrets)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("sh").setLevel(logging.WARNING)
    # what clients can make others say, they can make them say without end
    for name in ("tornado.general", "tornado.application", "riacho.refused"):
        logging.getLogger(name).addFilter(Throttle())
    return secrets


def without_secrets(text: str) -> str:
    """`text` without what lets a client in, right or wrong: tokens, and the cookie's value."""
    for secret in _SECRETS:
        text = secret.sub(r"\1...", text)
    return text


def printable(text: str) -> str:
    """`text` in which nothing can pass for another line, or move a terminal's cursor.

    It can be encoded: a byte that is no text in a file's name (PEP 383) becomes such as `\\xff`.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    byte = ord(char) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else repr(char)[1:-1]


def log_request(handler: RequestHandler) -> None:
    """Tornado's `log_function`: a line for each request that was no stream."""
    status = handler.get_status()
    request = handler.request
    client = getattr(handler, "client", request.remote_ip)  # whom a trusted proxy calls for
    level = logging.ERROR if status >= 500 else logging.INFO
    milliseconds = round(1000 * request.request_time(), 1)
    path = _short(without_secrets(request.uri or ""))
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
    path = _short(without_secrets(uri))
    told["seconds"] = round(seconds, 1)
    logging.getLogger(STREAMS).info(
        "%s to %s: %s; %s",
        path,
        client,
        ", ".join(f"{name} {value}" for name, value in told.items()),
        why,
        extra={"facts": {"client": client, "path": path, **told, "why": why}},
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
