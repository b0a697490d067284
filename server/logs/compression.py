"""What compressed files hold, piece by piece.

The modules `gzip`, `bz2` and `lzma` take 8 KiB at a time. After each of these a thread has to wait
for the others, for up to 5 ms while one of them computes: what takes a tenth of a second alone then
takes ten. So larger pieces are taken here.
"""

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Protocol


class Pieces(Protocol):
    """Reads what a compressed file holds from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none only at the end or for a size of 0.

        Raises EOFError and others for a damaged file.
        """


class Stream(Protocol):
    """Unpacks one of the streams that a compressed file is made of, as `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class GzipStream:
    """The same for gzip: zlib's own object keeps nothing of what it is given."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)  # with gzip's header and checksum

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


class Streams:
    """Reads the streams that stand one after the other in `file`, `piece` bytes at a time.

    There may be NUL bytes behind each.
    """

    def __init__(self, file: IO[bytes], piece: int, begin: Callable[[], Stream]) -> None:
        self._file = file
        self._piece = piece
        self._begin = begin
        self._stream: Stream | None = None

    def read(self, size: int, /) -> bytes:
        """See `Pieces.read`."""
        while size:
            stream, data, is_at_end = self._stream, b"", False
            if stream is None or stream.eof:
                data = self._next_stream(stream.unused_data if stream else b"")
                if not data:
                    return b""
                stream = self._stream = self._begin()
            elif stream.needs_input:
                data = self._file.read(self._piece)
                is_at_end = not data
            unpacked = stream.decompress(data, size)
            if unpacked:
                return unpacked
            if is_at_end and not stream.eof:
                raise EOFError("it ends within a stream")
        return b""

    def _next_stream(self, rest: bytes) -> bytes:
        """How the next stream begins, nothing if there is none; `rest` was read already."""
        data = rest.lstrip(b"\0")
        while not data and (more := self._file.read(self._piece)):
            data = more.lstrip(b"\0")
        return data


def _zstandard(file: IO[bytes]) -> Pieces:
    return importlib.import_module("zstandard").open(file)  # type: ignore[no-any-return]


_STREAMS: dict[str, Callable[[], Stream]] = {
    ".gz": GzipStream,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lzma.LZMADecompressor,
}


def pieces(file: IO[bytes], packing: str, piece: int) -> Pieces:
    """Reads what `file` holds, compressed as files are that end in `packing`.

    `piece` is how many bytes of the file are taken at a time.
    """
    if packing == ".zst":
        return _zstandard(file)
    return Streams(file, piece, _STREAMS[packing])
