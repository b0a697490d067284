"""Which file holds a position, and what a forged position costs."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from server.logs.archive import Archive, UnpackingNeededError
from server.logs.position import HEAD, START, Position
from server.logs.search import Search

LINE = b"line %d of file %d\n"


def content(file: int, count: int = 1000) -> bytes:
    return b"".join(LINE % (number, file) for number in range(count))


def position(data: bytes, offset: int) -> Position:
    found = Position.at(offset, lambda at, count: data[at : at + count])
    assert found
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Two compressed files, a plain one, and the log."""
    (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(content(3)))
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(content(2)))
    (tmp_path / "app.log.1").write_bytes(content(1))
    (tmp_path / "app.log").write_bytes(content(0))
    archive = Archive(tmp_path / "app.log", 2**30)
    yield archive
    archive.stop()


@pytest.mark.parametrize(
    "forged",
    [
        Position(5, 1, 1),
        Position(1, crc32(b"l"), 7),
        position(b"another log\n" * 90, 900),
        position(b"another log\n" * 900, 9000),
        Position(900, crc32(content(2)[:900]), 1),
    ],
)
def test_a_position_in_no_file_is_not_found_and_nothing_is_unpacked_for_it(
    archive: Archive, forged: Position
) -> None:
    assert Search(archive).find(forged, may_unpack=False) is None


@pytest.mark.parametrize("file", [0, 1])
def test_a_position_in_a_plain_file_needs_no_unpacking(archive: Archive, file: int) -> None:
    place = position(content(file), 9000 if file else 900)
    found = Search(archive).find(place, may_unpack=False)
    assert found
    assert found.start == place


@pytest.mark.parametrize("offset", [900, HEAD, 9000])
def test_a_position_in_a_compressed_file_is_found_once_that_is_unpacked(
    archive: Archive, offset: int
) -> None:
    search, place = Search(archive), position(content(2), offset)
    with pytest.raises(UnpackingNeededError):
        search.find(place, may_unpack=False)
    assert search.find(place)
    found = search.find(place, may_unpack=False)  # it is unpacked by now
    assert found
    assert found.file.size == len(content(2))


def test_what_is_nowhere_as_it_was_is_not_found_elsewhere(archive: Archive) -> None:
    search = Search(archive)
    for nowhere in (Position(5, 1, 1), Position(10**9, 1, 1)):
        assert search.find_elsewhere(nowhere) is None
    assert archive.end_before(START, None, lambda trace: True) is None


def test_a_log_whose_front_was_cut_off_still_holds_what_stood_before_a_position(
    archive: Archive, tmp_path: Path
) -> None:
    whole = content(0)
    (tmp_path / "app.log").write_bytes(whole[5005:])
    archive = Archive(tmp_path / "app.log", 2**30)
    place = position(whole, len(whole))
    assert Search(archive).find(place) is None
    found = Search(archive).find_elsewhere(place)
    assert found
    assert found.start.offset == len(whole) - 5005
