"""What compressed files hold, piece by piece.

The modules `gzip`, `bz2` and `lzma` take 8 KiB at a time. After each of these a thread has to wait
for the others, for up to 5 ms while one of them computes: what takes a tenth of a second alone then
takes ten. So larger pieces are taken here.
"""

import bz2
import importlib
import lzma
import os
import zlib
from collections.abc import Callable
from typing import IO, Any, Protocol


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


class Zstandard:
    """Reads a Zstandard file. The package's own reader takes one that is cut short for whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._package: Any = importlib.import_module("zstandard")
        self._reader: Pieces = self._package.open(file)

    def read(self, size: int, /) -> bytes:
        """See `Pieces.read`."""
        data = self._reader.read(size)
        if size and not data and self._is_cut_short():
            raise EOFError("it ends within a stream")
        return data

    def _is_cut_short(self) -> bool:
        """Whether the last frame ends behind the file's end: see RFC 8878, section 3.1.1."""
        at, size = 0, self._file.seek(0, os.SEEK_END)
        while at < size:
            start = self._read_at(at, 18)  # the longest header
            if start[1:4] == b"\x2a\x4d\x18":  # a frame that is skipped
                at += 8 + int.from_bytes(start[4:8], "little")
                continue
            at += self._package.frame_header_size(start)
            is_last = False
            while not is_last and at < size:
                block = int.from_bytes(self._read_at(at, 3), "little")
                is_last, is_repeated = bool(block & 1), block >> 1 & 3 == 1
                at += 3 + (1 if is_repeated else block >> 3)
            if not is_last:
                return True
            at += 4 * self._package.get_frame_parameters(start).has_checksum
        self._file.seek(size)
        return at > size

    def _read_at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)


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
        return Zstandard(file)
    return Streams(file, piece, _STREAMS[packing])
