"""Compressed files are read in few and large pieces, whatever streams they are made of."""

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable

import pytest

from server.logs.compression import pieces

PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (".gz", gzip.compress),
    (".bz2", bz2.compress),
    (".xz", lzma.compress),
]
NOISE = random.Random(1).randbytes(300_000)
TEXTS = [b"", b"short", b"\n" * 300_000, NOISE]


class CountedFile(io.BytesIO):
    """Counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def whole(packed: bytes, packing: str, piece: int = 4096, size: int = 10_000) -> bytes:
    reader = pieces(io.BytesIO(packed), packing, piece)
    content = b""
    while data := reader.read(size):
        assert len(data) <= size
        content += data
    return content


@pytest.mark.parametrize(("packing", "pack"), PACKERS)
@pytest.mark.parametrize("piece", [7, 4096, 1 << 20])
def test_all_streams_of_a_file_are_read(
    packing: str, pack: Callable[[bytes], bytes], piece: int
) -> None:
    packed = b"".join(map(pack, TEXTS))
    assert whole(packed, packing, piece) == b"".join(TEXTS)
    assert whole(packed + bytes(64), packing, piece) == b"".join(TEXTS)
    assert whole(b"", packing, piece) == b""


@pytest.mark.parametrize(("packing", "pack"), PACKERS)
def test_what_is_cut_short_is_an_error(packing: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(NOISE)
    for length in (1, 5, len(packed) // 2, len(packed) - 1):
        with pytest.raises(EOFError):
            whole(packed[:length], packing)


@pytest.mark.parametrize(("packing", "pack"), PACKERS)
def test_few_pieces_are_taken(packing: str, pack: Callable[[bytes], bytes]) -> None:
    """After each one a thread may have to wait for others."""
    file = CountedFile(pack(NOISE * 10))
    reader, unpacked = pieces(file, packing, 256 * 1024), 0
    while reader.read(1 << 20):
        unpacked += 1
    assert file.reads <= len(file.getvalue()) / (256 * 1024) + 2
    assert unpacked <= 2 * file.reads
