"""`/logs/NAME`: the very bytes of a log's file, or a range of them (RFC 9110, section 14)."""

import re
import sys
from collections.abc import AsyncIterator

from tornado.web import HTTPError

from server.feeds.contract import CannotReadError, Logs, LogSource, RawFile
from server.reporting import printable
from server.web.base import StreamingHandler
from server.web.body import CutOffError
from server.web.logs import find

UNREADABLE_FOR = 10
"""Seconds after which a client asks again for a log that cannot be read."""

_ETAG = re.compile(r'"([0-9a-f-]+)/([0-9a-f]{1,16})"')


class NamedLogHandler(StreamingHandler):
    """Answers for the log that is named in the address."""

    def initialize(self, logs: Logs) -> None:
        self._logs = logs

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """A file's name is any bytes (PEP 383)."""
        return (
            value.decode("utf-8", "surrogateescape")
            if name is None
            else super().decode_argument(value, name)
        )

    def find(self, name: str) -> LogSource:
        """The log that is called so. Raises HTTPError 404."""
        return find(self._logs, name)

    def set_challenge(self, status_code: int) -> None:
        super().set_challenge(status_code)
        if status_code == 503:
            self.set_header("Retry-After", UNREADABLE_FOR)


def absent(log: LogSource) -> HTTPError:
    """The answer where there is nothing of a log: 503 if it is there but cannot be read now."""
    status = log.status()
    problem = (status and status.progress.problem) or "is not there"
    exists = status is not None and status.exists
    return HTTPError(503 if exists else 404, "%s %s", printable(log.name), problem)


class RawLogHandler(NamedLogHandler):
    """One file, from the first header to the last byte, whatever takes the log's path meanwhile."""

    async def get(self, name: str) -> None:
        raw = await self._find(name)
        size = raw.size
        start, end = self._range(raw, size)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Etag", f'"{raw.version}/{size:x}"')
        if start >= end and size:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{size}")
            return
        if (start, end) != (0, size):
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send(_pieces(raw, start, end), end - start)

    async def _find(self, name: str) -> RawFile:
        """The log's file. Raises HTTPError: 404 if there is none, 503 if it cannot be read now."""
        log = self.find(name)
        try:
            raw = await log.raw()
        except CannotReadError as error:
            raise HTTPError(503, "%s", printable(str(error))) from None
        if raw is None:
            raise absent(log)
        return raw

    def compute_etag(self) -> str | None:
        """Ours has been set: it tells the file and how much of it there was."""
        return None

    def _range(self, raw: RawFile, size: int) -> tuple[int, int]:
        """The bytes that are asked for, from the first to behind the last; all by default."""
        header = self.request.headers.get("Range", "")
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip(), re.ASCII)
        if not match or not any(match.groups()) or not self._may_be_ranged(raw, size):
            return 0, size  # also what a server may do with ranges that it does not know
        first, last = match.groups()
        if not first:
            length = _offset(last)
            return max(0, size - length), size if length else 0
        start, end = _offset(first), _offset(last) + 1 if last else size
        if last and end <= start:
            return 0, size
        return start, min(size, end)

    def _may_be_ranged(self, raw: RawFile, size: int) -> bool:
        """Whether what the client has of the file is still its beginning (section 13.1.5).

        A log only grows, so an older, shorter state of the same file is as good.
        """
        condition = self.request.headers.get("If-Range")
        if condition is None:
            return True
        match = _ETAG.fullmatch(condition.strip())
        return match is not None and match[1] == raw.version and int(match[2], 16) <= size


def _offset(digits: str) -> int:
    """What the digits say; of those beyond any file, a number that is beyond any file, too."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 19 else sys.maxsize


async def _pieces(raw: RawFile, start: int, end: int) -> AsyncIterator[bytes]:
    """Raises CutOffError rather than end early: the client must not take that for the whole."""
    try:
        async for piece in raw.read(start, end):
            start += len(piece)
            yield piece
    except CannotReadError as error:
        raise CutOffError(str(error)) from None
    if start < end:
        raise CutOffError("the log was truncated")
