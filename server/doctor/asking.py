"""The doctor's requests, and the answers as they come.

The server that answers may be hostile: all that is taken in is bounded, in bytes and in time.
"""

import http.client
import io
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult

from server.doctor.diagnosis import MOST, Answer, Finding

PATIENCE = 5.0
"""Seconds for which something that should come at once is waited for."""

_PIECE = 64 * 1024
"""Bytes that are read and unpacked at once, at the most."""

EVENT_SOURCE = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
"""Headers of a client that wants nothing but events."""

COMPRESSING = {**EVENT_SOURCE, "Accept-Encoding": "gzip, deflate, br"}
"""Those of a browser."""

ANYTHING = {**EVENT_SOURCE, "Accept": "*/*"}
"""Those of curl, and of most libraries."""

RETURNING = {**EVENT_SOURCE, "Last-Event-ID": "1"}


class NoAnswerError(Exception):
    """There is none, for the reason that `finding` gives."""

    def __init__(self, name: str, seen: str) -> None:
        super().__init__(seen)
        self.finding = Finding(name, seen)


@dataclass(frozen=True)
class Target:
    """A server as it is seen from here; `base` is the address of its start page."""

    base: SplitResult
    headers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def ask(
        self,
        query: str,
        listen: float = PATIENCE,
        headers: Mapping[str, str] = EVENT_SOURCE,
        first_byte_only: bool = False,
    ) -> Answer:
        """The answer to a GET request, as far as it comes within `listen` seconds and `MOST` bytes.

        Raises NoAnswerError if there is no connection, or no answer of HTTP.
        """
        path = self.base.path + query
        with closing(self._connect()) as connection:
            hearing = _Hearing(path.partition("?")[0], connection.sock, listen)
            try:
                connection.request("GET", path, headers={**headers, **self.headers})
                return hearing.hear(first_byte_only)
            except TimeoutError:
                return Answer(hearing.path, status=0)
            except _TooMuchError:
                seen = f"{hearing.path}: {MOST // 1024} KiB came without a whole head of an answer"
                raise NoAnswerError("too-much", seen) from None
            except (OSError, http.client.HTTPException) as error:
                raise NoAnswerError("unreachable", f"{self.base.netloc}: {error!r}") from None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self.base.hostname or "", self.base.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=self.tls)
            if self.base.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=PATIENCE)
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise NoAnswerError("tls", f"{self.base.netloc}: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise NoAnswerError("tls", f"{self.base.netloc}: {error.reason or error}") from None
        except OSError as error:
            reason = error.strerror or str(error)
            name = "tls" if "handshake" in reason else "unreachable"
            raise NoAnswerError(name, f"{self.base.netloc}: {reason}") from None
        return connection


class _TooMuchError(Exception):
    """More than `MOST` bytes came."""


class _Wire(io.RawIOBase):
    """The bytes that come from a socket until the time `end`, no more than `MOST` of them.

    http.client sets a limit neither to the whole of an answer nor to the whole of its time.
    """

    def __init__(self, connection: socket.socket, end: float) -> None:
        super().__init__()
        self._connection = connection
        self._end = end
        self._left = MOST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises TimeoutError and _TooMuchError."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise _TooMuchError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(buffer)
        self._left -= count
        return count


class _Hearing:
    """Listens to an answer for so many seconds, and writes down when each part of it came."""

    def __init__(self, path: str, connection: socket.socket, seconds: float) -> None:
        self.path = path
        self._begin = time.monotonic()
        self._end = self._begin + seconds
        self._first_byte: float | None = None
        self._response = http.client.HTTPResponse(connection, method="GET")
        self._response.fp.close()
        self._response.fp = io.BufferedReader(_Wire(connection, self._end))

    def hear(self, first_byte_only: bool) -> Answer:
        """Raises what the head of an answer raises; the body's faults are in the answer."""
        response = self._response
        response.begin()
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(self.path, response.status, response.reason, response.version, headers)
        frames: list[tuple[float, str]] = []
        rest, ended, too_long = "", None, False
        try:
            for text in self._pieces(answer.encoding):
                *whole, rest = re.split(r"(?<=\n)\n", rest + text)
                now = self._now
                frames += [(now, frame) for frame in whole if frame]
                if first_byte_only or time.monotonic() > self._end:
                    break
            else:
                ended = self._now
        except TimeoutError:
            pass
        except _TooMuchError:
            too_long = True
        except (OSError, http.client.HTTPException, zlib.error):
            ended = self._now
        return replace(
            answer,
            first_byte=self._first_byte,
            frames=tuple(frames),
            ended=ended,
            text="" if answer.is_stream else "\n".join([*(frame for _, frame in frames), rest]),
            too_long=too_long,
        )

    def _pieces(self, encoding: str) -> Iterator[str]:
        gzipped = encoding in ("gzip", "deflate")
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if gzipped else None
        left = MOST
        while data := self._response.read1(_PIECE):
            if self._first_byte is None:
                self._first_byte = self._now
            while data:
                piece = unpacker.decompress(data, _PIECE) if unpacker else data
                data = unpacker.unconsumed_tail if unpacker else b""
                left -= len(piece)
                if left < 0:
                    raise _TooMuchError
                yield piece.decode(errors="replace")

    @property
    def _now(self) -> float:
        return time.monotonic() - self._begin
