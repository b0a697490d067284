"""Positions: ids that prove where they belong."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs.position import CONTEXT, START, Position, anchor

TEXT = bytes(range(256)) * 40


def read(offset: int, length: int) -> bytes:
    return TEXT[offset : offset + length]


def test_an_id_is_three_hexadecimal_numbers() -> None:
    assert str(Position(255, 0xABC, 1)) == "ff-abc-1"
    assert str(START) == "0-0-0"


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_an_id_names_its_position(offset: int, head: int, tail: int) -> None:
    position = Position(offset, head, tail)
    assert Position.parse(str(position)) == position
    assert len(str(position)) < 64


@pytest.mark.parametrize(
    "text",
    ["", "1", "1-2", "1-2-3-4", "-1-2-3", "1-2-x", "FF-1-1", " 1-2-3", "1-2-3\n", "1-2-3 ", "٣-1-1",
     "1-2-123456789", "12345678901234567-1-1", "8000000000000000-1-1", "0x1-2-3",
     "1_0-2-3", "9" * 10_000],
)  # fmt: skip
def test_anything_else_names_none(text: str) -> None:
    assert Position.parse(text) is None


@pytest.mark.parametrize(
    "offset", [0, 1, 255, 256, 1023, 1024, 1025, 4351, 4352, 8447, 8448, 10240]
)
def test_checksums_cover_the_head_and_what_stands_before_the_offset(offset: int) -> None:
    position = Position.at(offset, read)
    assert position == (
        offset,
        crc32(TEXT[: min(offset, 1024)]),
        crc32(TEXT[anchor(offset) : offset]),
    )


@given(st.integers(0, 10**12))
def test_at_least_256_bytes_and_at_most_the_context_are_covered(offset: int) -> None:
    assert min(offset, 256) <= offset - anchor(offset) <= CONTEXT


def test_a_file_that_is_shorter_has_no_such_position() -> None:
    assert Position.at(len(TEXT) + 1, read) is None


@given(st.integers(1, len(TEXT)), st.data())
def test_another_byte_among_the_last_256_is_noticed(offset: int, data: st.DataObject) -> None:
    changed = bytearray(TEXT)
    changed[data.draw(st.integers(max(0, offset - 256), offset - 1))] ^= 1
    other = Position.at(offset, lambda at, length: bytes(changed[at : at + length]))
    assert other != Position.at(offset, read)
